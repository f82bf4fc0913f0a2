// Secrets that are looked for afterwards, in every form in which they might have been kept.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A base64 text's middle, which does not depend on what stood before and behind. */
function base64At(shift: number, secret: string): string {
  const text = Buffer.concat([Buffer.alloc(shift), Buffer.from(secret)]).toString("base64");
  return text.slice(shift === 0 ? 0 : 4, Math.floor((shift + secret.length) / 3) * 4);
}

function digests(secret: string): [string, Buffer][] {
  return ["sha256", "sha1", "md5", "sha512"].flatMap((name): [string, Buffer][] => {
    const digest = createHash(name).update(secret).digest();
    return [
      [name, digest],
      [`${name} in hex`, Buffer.from(digest.toString("hex"))],
      [`${name} in capital hex`, Buffer.from(digest.toString("hex").toUpperCase())],
      [`${name} in base64`, Buffer.from(digest.toString("base64").replace(/=+$/, ""))],
    ];
  });
}

/** A number of many digits as SQLite and JavaScript keep it. */
function numbers(secret: string): [string, Buffer][] {
  if (!/^\d{10,15}$/.test(secret)) return [];
  const integer = Buffer.alloc(8);
  integer.writeBigInt64BE(BigInt(secret));
  const float = Buffer.alloc(8);
  float.writeDoubleBE(Number(secret));
  return [
    ["an integer", integer.subarray(2)],
    ["a float", float],
    ["a float, turned", Buffer.from(float).reverse()],
  ];
}

/** Every form of a secret, with its name. */
export function formsOf(secret: string): readonly [form: string, bytes: Buffer][] {
  const utf16 = Buffer.from(secret, "utf16le");
  const hex = Buffer.from(secret).toString("hex");
  return [
    ["clear", Buffer.from(secret)],
    ["reversed", Buffer.from([...secret].reverse().join(""))],
    ["capitals", Buffer.from(secret.toUpperCase())],
    ["small letters", Buffer.from(secret.toLowerCase())],
    ...[0, 1, 2].map((shift): [string, Buffer] => [
      `base64, ${shift} behind a boundary`,
      Buffer.from(base64At(shift, secret)),
    ]),
    ["hex", Buffer.from(hex)],
    ["capital hex", Buffer.from(hex.toUpperCase())],
    ["UTF-16", utf16],
    ["UTF-16, turned", Buffer.from(utf16).swap16()],
    ...numbers(secret),
    ...digests(secret),
  ];
}

/** What was written, with where: files and whatever programs said. */
export type Written = { readonly where: string; readonly bytes: Buffer };

/** All files below a folder; zeros at their ends are left out. */
export function filesIn(folder: string, wanted = (_: string) => true): Written[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && wanted(join(entry.parentPath, entry.name)))
    .map((entry) => {
      const where = join(entry.parentPath, entry.name);
      const bytes = readFileSync(where);
      const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
      return { where, bytes: bytes.subarray(0, end) };
    });
}

/** A line for each secret that is found: its name, its form and where; never the secret. */
export function leaks(
  secrets: Readonly<Record<string, string>>,
  written: readonly Written[],
): string[] {
  return Object.entries(secrets).flatMap(([name, secret]) =>
    formsOf(secret).flatMap(([form, bytes]) =>
      written
        .filter((each) => each.bytes.includes(bytes))
        .map(({ where }) => `${name} (${form}) in ${where}`),
    ),
  );
}
