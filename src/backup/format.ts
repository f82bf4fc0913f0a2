// A backup is one file: a tar of manifest.json, config.toml and bank.db, compressed with zstd and, if
// wanted, encrypted with age, so that tar, zstd and age open it too, without this program.
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readdirSync, statSync, writeSync } from "node:fs";
import { basename, join } from "node:path";
import { Duplex } from "node:stream";
import { createZstdCompress, constants as zlib } from "node:zlib";
import { type Static, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { Decrypter, Encrypter } from "age-encryption";
import { createTarDecoder, createTarPacker, type ParsedTarEntry } from "modern-tar";
import { CONFIG_FILE } from "../config.ts";
import { roomOf } from "../files.ts";
import { MIGRATIONS } from "../storage/sqlite/migrate.ts";
import { DATABASE_FILE } from "../storage/sqlite/open.ts";
import { bytesText } from "../units.ts";
import { type BackupKeys, KeyFileError } from "./key-file.ts";

const MANIFEST = "manifest.json";
/** In the order they stand in the file. */
const CONTENT = [CONFIG_FILE, DATABASE_FILE] as const;
/** A manifest that is longer is none. */
const LONGEST_MANIFEST = 65_536;

const FileFactsSchema = Type.Object({
  size: Type.Integer({ minimum: 0 }),
  sha256: Type.String({ pattern: "^[0-9a-f]{64}$" }),
});

const ManifestSchema = Type.Object({
  format: Type.Literal(1),
  /** The version of the program that made it. */
  program: Type.String(),
  schemaVersion: Type.Integer({ minimum: 1 }),
  bankCode: Type.String({ pattern: "^[A-Z0-9]{2,16}$" }),
  /** All that was durable at this instant is in it: ISO 8601 UTC. */
  createdAt: Type.String({ pattern: "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z$" }),
  journalHead: Type.Object({
    record: Type.Integer({ minimum: 0 }),
    hash: Type.String({ pattern: "^[0-9a-f]{64}$" }),
  }),
  files: Type.Object({ [CONFIG_FILE]: FileFactsSchema, [DATABASE_FILE]: FileFactsSchema }),
});

export type FileFacts = Static<typeof FileFactsSchema>;
export type Manifest = Static<typeof ManifestSchema>;

/** The file is no backup, or not a whole one; the message says what to do. */
export class BackupError extends Error {}

/**
 * Throws BackupError where a folder's disk has no room for so many bytes. It is asked before a copy is
 * made: one that fills the disk to its last block takes the room of what is sold meanwhile.
 */
export function assertRoom(folder: string, needed: number): void {
  const { freeBytes } = roomOf(folder);
  if (freeBytes >= needed) return;
  throw new BackupError(
    `the disk of ${folder} has ${bytesText(freeBytes)} free, and ${bytesText(needed)} are needed: ` +
      "make room on it, then run the command again",
  );
}

// ---------------------------------------------------------------- names

const NAME = /^([A-Z0-9]{2,16})-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z\.tar\.zst(\.age)?$/;

export type BackupFile = {
  readonly file: string;
  readonly bankCode: string;
  readonly createdAt: number;
  readonly encrypted: boolean;
  readonly size: number;
};

/** "ACME-20260302T000000000Z.tar.zst", of an instant in epoch milliseconds. */
export function backupName(bankCode: string, at: number, encrypted: boolean): string {
  const instant = new Date(at).toISOString().replaceAll(/[-:.]/g, "");
  return `${bankCode}-${instant}.tar.zst${encrypted ? ".age" : ""}`;
}

/** A draft's name counts as the name that it will have. */
export const isEncrypted = (file: string): boolean => /\.age(\.tmp)?$/.test(file);

/** The draft that a backup is until it is whole; its name is no backup's. */
export const draftOf = (name: string): string => `.${name}.tmp`;
export const isDraftOf = (name: string, bankCode: string): boolean =>
  NAME.exec(name.slice(1, -".tmp".length))?.[1] === bankCode && draftOf(name.slice(1, -4)) === name;

/** The backups of a bank, or with null of any, the newest first; none where there is no folder. */
export function backupsIn(folder: string, bankCode: string | null): BackupFile[] {
  if (!existsSync(folder)) return [];
  const found = readdirSync(folder).flatMap((name): BackupFile[] => {
    const match = NAME.exec(name);
    if (match === null || (bankCode ?? match[1]) !== match[1]) return [];
    const [, code = "", year, month, day, hour, minute, second, milli] = match;
    const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${milli}Z`);
    const file = join(folder, name);
    const size = statSync(file, { throwIfNoEntry: false })?.size;
    if (Number.isNaN(at) || size === undefined) return [];
    return [{ file, bankCode: code, createdAt: at, encrypted: isEncrypted(name), size }];
  });
  return found.sort((a, b) => b.createdAt - a.createdAt);
}

// ---------------------------------------------------------------- content

/** SHA-256 of a file in hexadecimal, and its size. */
export const factsOf = (file: string): Promise<FileFacts> => written(Bun.file(file).stream(), null);

/**
 * Writes a backup's content, of files in `folder`, to a new file; flushing it is the caller's.
 * Gives the size and the SHA-256 of all that was written.
 */
export async function pack(
  folder: string,
  manifest: Manifest,
  to: { readonly descriptor: number; readonly recipients: readonly string[] },
): Promise<FileFacts> {
  const { readable, controller } = createTarPacker();
  const at = { mtime: new Date(manifest.createdAt), mode: 0o600, type: "file" } as const;
  const add = async (name: string, size: number, body: ReadableStream<Uint8Array>) =>
    body.pipeTo(controller.add({ name, size, ...at }));
  const adding = (async () => {
    const text = new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`);
    await add(MANIFEST, text.length, new Blob([text]).stream());
    for (const name of CONTENT) {
      await add(name, manifest.files[name].size, Bun.file(join(folder, name)).stream());
    }
    controller.finalize();
  })();
  adding.catch((error: unknown) => controller.error(error));
  let stream: ReadableStream<Uint8Array> = readable.pipeThrough(zstd());
  if (to.recipients.length > 0) {
    const age = new Encrypter();
    for (const recipient of to.recipients) age.addRecipient(recipient);
    stream = await age.encrypt(stream);
  }
  const facts = await written(stream, to.descriptor);
  await adding;
  return facts;
}

/** Hashes a stream to its end, and writes it where it is wanted. */
async function written(
  stream: ReadableStream<Uint8Array>,
  descriptor: number | null,
): Promise<FileFacts> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of stream) {
    if (descriptor !== null) writeAll(descriptor, chunk);
    hash.update(chunk);
    size += chunk.length;
  }
  return { size, sha256: hash.digest("hex") };
}

function writeAll(descriptor: number, chunk: Uint8Array): void {
  for (let done = 0; done < chunk.length; ) {
    done += writeSync(descriptor, chunk, done, chunk.length - done);
  }
}

/** With a checksum of all of it: the manifest, which has those of the files, has none of its own. */
const zstd = () => {
  const compress = createZstdCompress({ params: { [zlib.ZSTD_c_checksumFlag]: 1 } });
  return Duplex.toWeb(compress) as ReadableWritablePair<Uint8Array, Uint8Array>;
};

/** The types say less of what it takes than it does. */
const unzstd = () =>
  new DecompressionStream("zstd") as ReadableWritablePair<Uint8Array, Uint8Array>;

async function contentOf(file: string, keys: BackupKeys | null) {
  if (!existsSync(file)) throw new BackupError(`there is no file ${file}: see backup list`);
  let stream: ReadableStream<Uint8Array> = Bun.file(file).stream();
  if (isEncrypted(file)) {
    if (keys === null || keys.identities.length === 0) {
      throw new KeyFileError(
        `${basename(file)} is encrypted: name the file with its secret key (--key-file)`,
      );
    }
    const age = new Decrypter();
    for (const identity of keys.identities) age.addIdentity(identity);
    try {
      stream = await age.decrypt(stream);
    } catch {
      throw new KeyFileError(
        `${basename(file)} cannot be decrypted: the key file is not the right one, or the file ` +
          "is damaged",
      );
    }
  }
  return stream.pipeThrough(unzstd()).pipeThrough(createTarDecoder({ strict: true }));
}

async function readManifest({ header, body }: ParsedTarEntry): Promise<Manifest> {
  if (header.name !== MANIFEST || header.size > LONGEST_MANIFEST) {
    throw new Error("it does not begin with a manifest");
  }
  const manifest: unknown = JSON.parse(await new Response(body).text());
  if (Value.Check(ManifestSchema, manifest)) return manifest;
  throw new Error("its manifest is not of a form that this program knows");
}

function assertKnown({ program, schemaVersion }: Manifest): void {
  if (schemaVersion <= MIGRATIONS.length) return;
  throw new BackupError(
    `transact-bank ${program} made this backup, and this program is older: use that one`,
  );
}

/** Hashes one entry of a backup, and writes it to a new file where one is named. */
async function take(body: ReadableStream<Uint8Array>, file: string | null): Promise<FileFacts> {
  if (file === null) return written(body, null);
  const descriptor = openSync(file, "wx", 0o600);
  try {
    return await written(body, descriptor);
  } finally {
    closeSync(descriptor);
  }
}

const DISK_TROUBLE = /^(ENOSPC|EDQUOT|EIO|EROFS|EACCES|EMFILE)$/;

/** What reading a backup threw, as people are told. */
function readError(file: string, error: unknown): Error {
  if (error instanceof BackupError || error instanceof KeyFileError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (DISK_TROUBLE.test(code ?? "")) return error as Error;
  return new BackupError(`${basename(file)} is no whole backup (${message}): use another one`);
}

/** What a backup says of itself. Reads its beginning alone. */
export async function manifestOf(file: string, keys: BackupKeys | null): Promise<Manifest> {
  try {
    for await (const entry of await contentOf(file, keys)) return await readManifest(entry);
    throw new Error("it is empty");
  } catch (error) {
    throw readError(file, error);
  }
}

/**
 * Puts a backup's files into an empty folder, or with null only reads them, and gives its manifest,
 * which each of them fits. Throws BackupError where one does not or is missing. Nothing but our two
 * files is ever written.
 */
export async function unpack(
  file: string,
  keys: BackupKeys | null,
  folder: string | null,
): Promise<Manifest> {
  try {
    let manifest: Manifest | null = null;
    const missing = new Set<string>(CONTENT);
    for await (const entry of await contentOf(file, keys)) {
      if (manifest === null) {
        manifest = await readManifest(entry);
        assertKnown(manifest);
        const sizes = CONTENT.map((name) => manifest?.files[name].size ?? 0);
        if (folder !== null)
          assertRoom(
            folder,
            sizes.reduce((sum, size) => sum + size),
          );
        continue;
      }
      const name = CONTENT.find((ours) => ours === entry.header.name);
      if (name === undefined || !missing.delete(name)) {
        throw new Error("it holds what no backup holds");
      }
      const expected = manifest.files[name];
      const fits = entry.header.size === expected.size;
      // What is not as long as it should be is not even written: it may be as long as it likes.
      const facts = fits ? await take(entry.body, folder && join(folder, name)) : null;
      if (facts?.sha256 !== expected.sha256) {
        throw new Error(`its ${name} is not what its manifest says`);
      }
    }
    if (manifest === null) throw new Error("it is empty");
    if (missing.size > 0) throw new Error(`${[...missing].join(" and ")} is missing`);
    return manifest;
  } catch (error) {
    throw readError(file, error);
  }
}
