import { afterEach, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { whoIsIt } from "../../cli/who.ts";

const before = process.env["SUDO_UID"];
afterEach(() => {
  if (before === undefined) delete process.env["SUDO_UID"];
  else process.env["SUDO_UID"] = before;
});

const loginuid = "/proc/self/loginuid";
const uid = existsSync(loginuid) ? Number(readFileSync(loginuid, "utf8")) : 4294967295;

test("the effective user and the reason are told", () => {
  const by = whoIsIt("because");
  expect(by.effectiveUid).toBe(process.geteuid?.() ?? 0);
  expect(by.reason).toBe("because");
  expect(by.loginUid).toBe(uid === 4294967295 ? null : uid);
});

test.if(uid === 4294967295)("what sudo says is a name and never the login uid", () => {
  process.env["SUDO_UID"] = "0";
  expect(whoIsIt(null)).toMatchObject({ loginUid: null, loginName: "root" });
  process.env["SUDO_UID"] = "54321";
  expect(whoIsIt(null)).toMatchObject({ loginUid: null, loginName: "54321" });
  process.env["SUDO_UID"] = "x; rm";
  expect(whoIsIt(null)).toMatchObject({ loginUid: null, loginName: null });
});
