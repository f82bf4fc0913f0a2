// Who runs this command, for the journal.
import { readFileSync } from "node:fs";
import type { By } from "../src/storage/store.ts";

/** What the kernel says where nobody logged in: a service, a container. */
const NO_LOGIN = 4294967295;

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** The login uid, which the kernel keeps through sudo and su, or null where it has none. */
function loginUid(): number | null {
  const text = readIfThere("/proc/self/loginuid").trim();
  return /^\d+$/.test(text) && Number(text) !== NO_LOGIN ? Number(text) : null;
}

/** Not os.userInfo, which believes the environment. */
function nameOf(uid: number): string | null {
  const fields = readIfThere("/etc/passwd")
    .split("\n")
    .map((line) => line.split(":"));
  return fields.find((field) => field[2] === String(uid))?.[0] ?? null;
}

/** What sudo says is only a name: the environment is the caller's to set. */
function nameBySudo(): string | null {
  const uid = process.env["SUDO_UID"];
  return uid !== undefined && /^\d{1,10}$/.test(uid) ? (nameOf(Number(uid)) ?? uid) : null;
}

/** The person at the keyboard and the user whose rights the command has. */
export function whoIsIt(reason: string | null): By {
  const login = loginUid();
  const effectiveUid = process.geteuid?.() ?? 0;
  return {
    loginUid: login,
    loginName: login === null ? nameBySudo() : nameOf(login),
    effectiveUid,
    effectiveName: nameOf(effectiveUid),
    reason,
  };
}
