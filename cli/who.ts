// Who runs this command, for the journal.
import { readFileSync } from "node:fs";
import type { By } from "../src/storage/store.ts";
import { nameOfUser } from "../src/users.ts";

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

/** What sudo says is only a name: the environment is the caller's to set. */
function nameBySudo(): string | null {
  const uid = process.env["SUDO_UID"];
  return uid !== undefined && /^\d{1,10}$/.test(uid) ? (nameOfUser(Number(uid)) ?? uid) : null;
}

/** The person at the keyboard and the user whose rights the command has. */
export function whoIsIt(reason: string | null): By {
  const login = loginUid();
  const effectiveUid = process.geteuid?.() ?? 0;
  return {
    loginUid: login,
    loginName: login === null ? nameBySudo() : nameOfUser(login),
    effectiveUid,
    effectiveName: nameOfUser(effectiveUid),
    reason,
  };
}
