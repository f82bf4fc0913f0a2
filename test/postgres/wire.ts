// Just enough of PostgreSQL's wire protocol (version 3, not encrypted) to see a commit go by:
// cuts the two streams of a connection into messages and says what matters of each.

export type ClientMessage = {
  readonly bytes: Buffer;
  /** It makes the server commit. */
  readonly isCommit: boolean;
  /** The server ends its answer to it, and to all before it, with ReadyForQuery. */
  readonly endsRequest: boolean;
};

export type ServerMessage = {
  readonly bytes: Buffer;
  /** ReadyForQuery: a request was carried out and fully answered. */
  readonly isReady: boolean;
};

/** The first message has no letter, and these numbers where the protocol's version would be. */
const SSL_REQUEST = 80_877_103;
const GSS_REQUEST = 80_877_104;
const LENGTH_BYTES = 4;

/**
 * COMMIT as a statement of its own or as one of several; not END, which also closes blocks of code.
 * The word at the start of a line of a text would be taken for one: no test sends such.
 */
const COMMIT = /(^|;)\s*commit\b/i;

/**
 * Takes what a client sends, piece by piece, and gives the messages that are complete with it.
 * A prepared COMMIT is known by its name, and a bound one by its portal's.
 */
export function clientMessages(): (piece: Buffer) => ClientMessage[] {
  const prepared = new Map<string, boolean>();
  const bound = new Map<string, boolean>();
  let isStarted = false;
  let rest: Buffer = Buffer.alloc(0);

  const isCommit = (kind: string, body: Buffer): boolean => {
    const [first, second] = strings(body);
    if (kind === "P") prepared.set(first, COMMIT.test(second));
    if (kind === "B") bound.set(first, prepared.get(second) ?? false);
    if (kind === "E") return bound.get(first) ?? false;
    return kind === "Q" && COMMIT.test(first);
  };
  return (piece) => {
    rest = Buffer.concat([rest, piece]);
    const messages: ClientMessage[] = [];
    for (;;) {
      const bytes = complete(rest, isStarted ? 1 : 0);
      if (bytes === null) return messages;
      rest = rest.subarray(bytes.length);
      if (!isStarted) {
        const code = bytes.readInt32BE(LENGTH_BYTES);
        isStarted = code !== SSL_REQUEST && code !== GSS_REQUEST;
        // The answer to a question for encryption is a single byte, which is no message.
        messages.push({ bytes, isCommit: false, endsRequest: isStarted });
        continue;
      }
      const kind = String.fromCharCode(bytes[0] ?? 0);
      const body = bytes.subarray(1 + LENGTH_BYTES);
      const endsRequest = kind === "Q" || kind === "S" || kind === "F";
      messages.push({ bytes, isCommit: isCommit(kind, body), endsRequest });
    }
  };
}

/** Takes what a server sends, piece by piece, and gives the messages that are complete with it. */
export function serverMessages(): (piece: Buffer) => ServerMessage[] {
  let rest: Buffer = Buffer.alloc(0);
  let isStarted = false;
  return (piece) => {
    rest = Buffer.concat([rest, piece]);
    const messages: ServerMessage[] = [];
    while (rest.length > 0) {
      // "N", alone: no encryption. No message of the server that comes first begins so.
      const refusesEncryption = !isStarted && rest[0] === "N".charCodeAt(0);
      const bytes = refusesEncryption ? rest.subarray(0, 1) : complete(rest, 1);
      if (bytes === null) return messages;
      rest = rest.subarray(bytes.length);
      if (!refusesEncryption) isStarted = true;
      messages.push({ bytes, isReady: bytes[0] === "Z".charCodeAt(0) });
    }
    return messages;
  };
}

/** The first message, whose length comes after so many bytes; null while some of it is to come. */
function complete(bytes: Buffer, lengthAt: number): Buffer | null {
  if (bytes.length < lengthAt + LENGTH_BYTES) return null;
  const end = lengthAt + bytes.readInt32BE(lengthAt);
  return bytes.length < end ? null : bytes.subarray(0, end);
}

/** The two texts that the messages concerned begin with; a text ends with a zero. */
function strings(body: Buffer): [string, string] {
  const [first = "", second = ""] = body.toString("latin1").split("\0", 2);
  return [first, second];
}
