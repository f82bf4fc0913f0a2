// Reads a request's body: its bytes within the limit, and what they mean as JSON.
import type { Body } from "./schema.ts";

/** The body limit (contract.md 1). */
export const LARGEST_BODY = 64 * 1024;

/** True where the headers already say that the body is over the limit. */
export function isDeclaredTooLarge(request: Request): boolean {
  return Number(request.headers.get("content-length") ?? 0) > LARGEST_BODY;
}

/** The bytes as received, or why there are none: over the limit, or the caller went away. */
export async function readBody(request: Request): Promise<Uint8Array | "too large" | "incomplete"> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    if (request.headers.has("content-length")) {
      return new Uint8Array(await request.arrayBuffer());
    }
    for await (const chunk of request.body ?? []) {
      length += chunk.byteLength;
      if (length > LARGEST_BODY) return "too large";
      chunks.push(chunk);
    }
  } catch {
    return "incomplete";
  }
  return Buffer.concat(chunks);
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

/** The JSON object that the bytes hold, whatever the Content-Type says, or null. */
export function parseBody(bytes: Uint8Array): Body | null {
  try {
    const value: unknown = JSON.parse(UTF8.decode(bytes));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Body)
      : null;
  } catch {
    return null;
  }
}
