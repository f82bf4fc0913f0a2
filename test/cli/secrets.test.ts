// secrets: no rotation may put a secret out of force that Clickatell may still sign with.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { newBank, type TestBank } from "./run.ts";

let bank: TestBank;
beforeAll(async () => {
  bank = await newBank();
});
afterAll(() => bank.remove());

const rotate = (secret: string) => bank.run(["secrets", "rotate"], { stdin: `${secret}\n` });

test("the second rotation is refused until the first secret is retired", async () => {
  expect((await rotate("one")).exit).toBe(0);
  expect((await rotate("two")).exit).toBe(0);
  const third = await rotate("three");
  expect([third.exit, third.err]).toEqual([4, expect.stringContaining("secrets retire")]);
  expect((await bank.run(["secrets", "retire"])).exit).toBe(0);
  expect((await rotate("three")).exit).toBe(0);
});

test("a secret is in no answer", async () => {
  const { out, err } = await bank.run(["secrets", "list", "--json"]);
  expect(out + err).not.toMatch(/one|two|three/);
});
