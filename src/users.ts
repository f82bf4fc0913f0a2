// The names of the system's users.
import { readFileSync } from "node:fs";

/** A user's name, or null. Not os.userInfo, which believes the environment. */
export function nameOfUser(uid: number): string | null {
  try {
    const lines = readFileSync("/etc/passwd", "utf8").split("\n");
    const fields = lines.map((line) => line.split(":")).find((each) => each[2] === String(uid));
    return fields?.[0] ?? null;
  } catch {
    return null;
  }
}
