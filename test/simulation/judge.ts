// Holds the bank to the reference model and the contract: at each commit and at each answer.
import type { Operation, OperationOutcome } from "../../src/storage/store.ts";
import type { NaiveBank, NaiveReserve } from "../storage/naive-bank.ts";
import type { Book, Change } from "./book.ts";
import type { Batch } from "./disk.ts";
import { type Answer, type Message, numberOf, shortAnswer } from "./messages.ts";
import type { SimulatedTime } from "./time.ts";
import { Disagreement, demand, type Trace } from "./trace.ts";

/** The guide's codes, written down a second time. */
const CODES: Readonly<Record<string, string>> = {
  success: "0000",
  belowMinimum: "2050",
  maximumExceeded: "2040",
  notMapped: "2030",
  invalidAuthCode: "2020",
  accountInactive: "2080",
  blacklisted: "2070",
  insufficientFunds: "2010",
  timeOut: "2060",
  unknownError: "2090",
};

export const RESERVE_MS = 1_800;
export const RESULT_MS = 4_000;

export type Judge = ReturnType<typeof newJudge>;

export type JudgeOptions = {
  readonly book: Book;
  readonly time: SimulatedTime;
  readonly trace: Trace;
  readonly messages: readonly Message[];
  readonly localDay: (epochMs: number) => string;
};

export function newJudge({ book, time, trace, messages, localDay }: JudgeOptions) {
  let life = 0;
  let failed = false;
  /** The servers that ended cleanly, by their numbers. */
  const clean = new Set<number>();
  /** Delivered to the living server and not answered, oldest first. */
  const open = new Set<Message>();
  /** Requests of this life of which somebody was told 2060 before that was known to stand. */
  const told = new Map<string, { step: number; receivedAt: number }>();
  const toldSuccess = new Map<string, string>();
  const references = new Map<string, string>();
  /** Reserved as a server died, and nobody was told Success: they must become findings. */
  const inDoubt = new Set<string>();

  const budgetOf = ({ meaning }: Message) => (meaning.kind === "result" ? RESULT_MS : RESERVE_MS);
  const isLate = (message: Message) =>
    time.monotonicMs() >= message.deliveredMs + budgetOf(message);
  const isDurable = ({ commit }: Message) => commit !== -1 && commit <= book.flushed();
  const stateOf = (requestId: string) => book.current().reservations.get(requestId)?.state;

  // ------------------------------------------------------------- commits

  function messageOf(body: string | null): Message {
    const message = messages[numberOf(body) ?? -1];
    demand(message !== undefined, () => `a receipt's body is of no message: ${body}`);
    const { about } = message;
    demand(message.life === life, () => `message ${message.number} of an earlier life`, about);
    demand(message.commit === -1, () => `message ${message.number} was decided twice`, about);
    message.commit = book.commits() + 1;
    return message;
  }

  function reserved(
    operation: Operation & { kind: "reserve" },
    outcome: OperationOutcome,
    { now }: Batch["times"],
  ): Change {
    const message = messageOf(operation.receipt.body);
    if (message.meaning.kind !== "reserve" || outcome.kind !== "reserve") {
      throw new Disagreement(
        `message ${message.number} gave ${Bun.inspect(outcome)}`,
        message.about,
      );
    }
    const { reserve } = message.meaning;
    const { requestId } = reserve;
    const { reference } = outcome;
    const isTold = operation.told !== null;
    demand(!isTold || told.has(requestId), () => "recorded as 2060, nobody was told", requestId);
    const when = { day: localDay(now), at: now, reference };
    const decide = (bank: NaiveBank) =>
      isTold ? bank.timedOut(reserve) : bank.reserve(reserve, when);
    message.expected = withReference(decide(book.current()), requestId);
    if (reference !== null) uniqueReference(reference, requestId);
    const code = CODES[outcome.outcome];
    const decided = reference === null ? code : `${code} ${reference}`;
    trace.note(`  decided ${requestId} (message ${message.number}): ${decided}`);
    demand(
      decided === message.expected,
      () => `decided ${decided}, the model says ${message.expected}`,
      requestId,
    );
    return decide;
  }

  function withReference(code: string, requestId: string): string {
    if (code !== "0000") return code;
    return `0000 ${book.current().reservations.get(requestId)?.reference}`;
  }

  function uniqueReference(reference: string, requestId: string): void {
    const known = references.get(reference) ?? requestId;
    demand(known === requestId, () => `${reference} is of ${known} as well`, requestId);
    references.set(reference, requestId);
  }

  function resulted(operation: Operation & { kind: "result" }, outcome: OperationOutcome): Change {
    const message = messageOf(operation.receipt.body);
    const { about, meaning } = message;
    if (meaning.kind !== "result" || outcome.kind !== "result") {
      throw new Disagreement(`message ${message.number} gave ${Bun.inspect(outcome)}`, about);
    }
    const { result } = meaning;
    const decided = outcome.answer === "accepted" ? "202" : "404";
    message.expected = String(book.current().result(result));
    trace.note(`  result ${about} ${result.code} (message ${message.number}): ${decided}`);
    demand(
      decided === message.expected,
      () => `result ${result.code} gave ${decided}, the model says ${message.expected}`,
      about,
    );
    demand(!operation.toldLate || message.toldLate, () => "recorded as 503, not told it", about);
    return (bank) => bank.result(result);
  }

  function expired({ requestId }: Operation & { kind: "expire" }): Change {
    trace.note(`  undone ${requestId}`);
    demand(told.has(requestId), () => "undone, and nobody was told 2060", requestId);
    const change: Change = (bank) => bank.expire(requestId);
    change(book.current());
    return change;
  }

  function interrupted({ since, until }: Operation & { kind: "interrupted" }): Change {
    const bank = book.current();
    trace.note(`  named what was interrupted from ${since} to ${until}`);
    demand(since === bank.state.interruptedSince, () => `since is ${bank.state.interruptedSince}`);
    const change: Change = (other) => other.interrupted(since, until);
    change(bank);
    for (const requestId of inDoubt) {
      if (stateOf(requestId) !== "reserved") continue;
      const isNamed = bank.findings.has(`interrupted ${requestId}`);
      demand(isNamed, () => "in doubt as the server died, and no finding says so", requestId);
    }
    inDoubt.clear();
    return change;
  }

  function changeOf(operation: Operation, outcome: OperationOutcome, batch: Batch): Change | null {
    if (operation.kind === "reserve") return reserved(operation, outcome, batch.times);
    if (operation.kind === "result") return resulted(operation, outcome);
    if (operation.kind === "expire") return expired(operation);
    if (operation.kind === "interrupted") return interrupted(operation);
    if (operation.kind === "malformed" && numberOf(operation.receipt.body) !== null) {
      messageOf(operation.receipt.body).expected = "400";
    }
    return null;
  }

  /**
   * Once anybody was told 2060, the first commit after that leaves nothing held; but a batch is
   * bounded, and one that does nothing but undo may leave the rest to the next.
   */
  function checkUndone({ handedAt, operations }: Batch): void {
    if (operations.every(({ kind }) => kind === "expire" || kind === "late")) return;
    for (const [requestId, { step }] of told) {
      const isHeld = stateOf(requestId) === "reserved";
      demand(!isHeld || step >= handedAt, () => "told 2060, and still held", requestId);
    }
  }

  function checkOrder({ operations }: Batch): void {
    const own = operations.findLastIndex(({ kind }) => kind === "expire");
    const first = operations.findIndex(({ kind }) => kind === "reserve" || kind === "result");
    demand(own === -1 || first === -1 || own < first, () => "decided before what was to undo");
  }

  // ------------------------------------------------------------- answers

  function toldTimeOut({ receivedAt }: Message, requestId: string): void {
    const known = told.get(requestId);
    if (known === undefined) told.set(requestId, { step: trace.steps(), receivedAt });
    else known.receivedAt = Math.min(known.receivedAt, receivedAt);
  }

  function reserveAnswered(message: Message, reserve: NaiveReserve, code: string): void {
    const { requestId } = reserve;
    const isSuccess = code.startsWith("0000");
    if (isSuccess) {
      demand(!told.has(requestId), () => "told Success after somebody was told 2060", requestId);
    }
    // What is 2060 anyway may be recorded as that once more, where it came late as well.
    if (code === "2060" && isLate(message)) toldTimeOut(message, requestId);
    if (isDurable(message) && code === message.expected) {
      if (isSuccess) toldSuccess.set(requestId, code);
      return;
    }
    // Whatever it says, its own receipt is not on the disk yet.
    message.toldLate = true;
    const late = isLate(message);
    const repeat = book.durable.repeat(reserve);
    if (code === "2060" && (late || told.has(requestId))) {
      // A release that is committed and not on the disk yet is reason enough: its result, which
      // nobody was told 202 of, comes again if it is lost.
      const stands = toldSuccess.has(requestId) && book.current().repeat(reserve) === "0000";
      demand(!stands, () => "told 2060 after Success, which stands", requestId);
      toldTimeOut(message, requestId);
      return;
    }
    const expected = repeat === null ? "nothing" : withReference(repeat, requestId);
    const what = isDurable(message) ? message.expected : `${message.expected}, not on the disk`;
    demand(
      late && code === expected,
      () => `answered ${code}: decided ${what}; in time: ${!late}; on the disk: ${expected}`,
      requestId,
    );
  }

  function resultAnswered(message: Message, code: string): void {
    const { about } = message;
    if (code === "503") {
      demand(isLate(message), () => "told 503 before four seconds", about);
      message.toldLate = true;
      return;
    }
    demand(isDurable(message), () => `answered ${code} before it was on the disk`, about);
    demand(code === message.expected, () => `answered ${code} for ${message.expected}`, about);
  }

  return {
    open,
    inDoubt,
    clean,

    delivered(message: Message): void {
      message.life = life;
      message.deliveredMs = time.monotonicMs();
      message.receivedAt = time.now();
      open.add(message);
    },

    /** The server hands a batch to its store. */
    handed({ openSince }: Batch["times"]): void {
      for (const { receivedAt, about } of open) {
        demand(
          openSince !== null && openSince <= receivedAt,
          () => `openSince leaves out message at ${receivedAt}`,
          about,
        );
        break;
      }
      for (const [requestId, { receivedAt }] of told) {
        if (stateOf(requestId) !== "reserved") continue;
        const isKept = openSince !== null && openSince <= receivedAt;
        demand(isKept, () => "openSince leaves out what is to undo", requestId);
      }
    },

    committed(batch: Batch, outcomes: readonly OperationOutcome[]): Change[] {
      const { openSince } = batch.times;
      checkOrder(batch);
      demand(outcomes.length === batch.operations.length, () => "not an outcome for each");
      const changes = batch.operations.flatMap((operation, index) => {
        const outcome = outcomes[index] as OperationOutcome;
        demand(
          outcome.kind !== "failed",
          () => `${operation.kind} failed: ${Bun.inspect(outcome)}`,
        );
        return changeOf(operation, outcome, batch) ?? [];
      });
      checkUndone(batch);
      const opened: Change = ({ state }) => {
        state.openSince = openSince;
      };
      opened(book.current());
      return [...changes, opened];
    },

    answered(message: Message, answer: Answer): void {
      const { meaning, about } = message;
      message.answer = answer;
      open.delete(message);
      const code = shortAnswer(answer);
      trace.step(`answered ${about} (message ${message.number}): ${code}`);
      demand(!failed, () => "answered after a failed flush", about);
      if (meaning.kind === "reserve") reserveAnswered(message, meaning.reserve, code);
      else if (meaning.kind === "result") resultAnswered(message, code);
      else if (code !== "400") throw new Disagreement(`malformed, and answered ${code}`, about);
      else if (message.body.endsWith("}")) {
        message.toldLate = !isDurable(message);
        demand(isDurable(message) || isLate(message), () => "400 before its receipt stands", about);
      }
    },

    /** Nobody waits longer than the contract says, but where the server is about to end. */
    checkDeadlines(slackMs: number): void {
      if (failed) return;
      for (const message of open) {
        const due = Math.max(message.deliveredMs + budgetOf(message), time.stalledUntil());
        demand(
          time.monotonicMs() <= due + slackMs,
          () => `message ${message.number} has no answer ${slackMs} ms after its time`,
          message.about,
        );
      }
    },

    /** The flush failed: from here on nobody is answered. */
    failed(): void {
      failed = true;
    },

    /** The server ended cleanly. */
    stopped(): void {
      demand(open.size === 0, () => `${open.size} without an answer at the end`);
      clean.add(life);
    },

    /** A server is up. */
    begins(): void {
      life += 1;
      failed = false;
      open.clear();
      told.clear();
    },

    /** After a power cut: what came to be though nobody heard of it. */
    crashed(): void {
      const kept = book.commits();
      for (const message of messages) {
        if (message.commit <= kept) continue;
        message.commit = -1;
        message.expected = null;
      }
      for (const { requestId, state } of book.current().reservations.values()) {
        if (state === "reserved" && !toldSuccess.has(requestId)) inDoubt.add(requestId);
      }
      for (const requestId of inDoubt)
        if (stateOf(requestId) !== "reserved") inDoubt.delete(requestId);
    },
  };
}
