// Appliances whose clocks are hours away from the database's and from one another: what has a window
// in time goes by the one clock that they share.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Preload, preload } from "../binary/preload.ts";
import { account, addAccount, reserve, type Server } from "../binary/program.ts";
import { tool } from "../tools.ts";
import { newSharedBank, type SharedBank } from "./appliances.ts";
import { endPostgres, startPrimary } from "./cluster.ts";
import { skipsPostgres } from "./programs.ts";

const isSkipped = skipsPostgres() || tool("cc", "appliances with other clocks") === null;
const LIMIT_MS = 60_000;
const HOUR_S = 3_600;

let clock: Preload;
let shared: SharedBank;
let nodes: Server[];
beforeAll(async () => {
  if (isSkipped) return;
  clock = preload("moved-clock.c");
  shared = await newSharedBank(await startPrimary());
  await addAccount(shared.first);
  nodes = [];
  // Another day for each of them.
  for (const hours of [-30, 30]) {
    const offset = join(clock.folder, `offset-${hours}`);
    writeFileSync(offset, String(hours * HOUR_S));
    const env = { LD_PRELOAD: clock.library, MOVED_CLOCK: offset };
    nodes.push(await shared.appliance().serve({ env }));
  }
}, LIMIT_MS);
afterAll(async () => {
  if (isSkipped) return;
  for (const node of nodes ?? []) await node.stop("SIGKILL");
  clock?.remove();
  shared?.remove();
  await endPostgres();
}, LIMIT_MS);

describe.skipIf(isSkipped)("clocks that are 60 hours apart", () => {
  test("a daily limit counts what both sell on the database's day", async () => {
    await shared.first.admin("limits set --account 1001 --day-count 5");
    const codes: string[] = [];
    for (let round = 0; round < 4; round += 1) {
      for (const node of nodes)
        codes.push((await reserve(node, { reserveAmount: 1 })).responseCode);
    }
    expect(codes).toEqual([...Array(5).fill("0000"), ...Array(3).fill("2040")]);
    await shared.first.admin("limits unset --account 1001 --day-count");
    expect(await account(shared.first)).toMatchObject({ heldMinor: 5 });
  });

  test("what is open since when, and what was reserved when, is told by the database's clock", async () => {
    const within = (column: string) => `abs(${column} - extract(epoch from now()) * 1000) < 60000`;
    for (const node of nodes) {
      const { raasTxnRef } = await reserve(node, { reserveAmount: 1 });
      const reserved = `select ${within("reserved_at")} from requests where request_id = '${raasTxnRef}'`;
      expect(await shared.sql(reserved)).toBe("t");
    }
    // Until a second after it, an appliance says since when something of it may be unanswered.
    const open = `select count(*), bool_and(${within("open_since")}) from appliances where open_since is not null`;
    expect(await shared.sql(open)).toBe("2|t");
  });
});
