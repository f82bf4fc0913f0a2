// A small load of writes, each by a psql of its own, as one that looks for the primary anew every time:
// what was acknowledged is remembered, to be looked for at the end.
import { join } from "node:path";
import { clusterFolder, lineBeside, type Machine, mustOn } from "./machines.ts";

type Write = {
  readonly n: number;
  readonly began: number;
  readonly ended: number;
  readonly said: string;
};

/** A write that waits longer than this is given up by its client, and may or may not be there. */
const PATIENCE_S = 5;

export type Load = {
  readonly writes: readonly Write[];
  readonly stop: () => Promise<void>;
};

const acknowledged = (write: Write): boolean => write.said === "INSERT 0 1";

export function makeTable(primary: Machine): void {
  const sql = "create table if not exists tried (n bigint primary key); truncate tried";
  mustOn(
    primary,
    `sudo -u postgres psql -q bank -c "${sql}; grant insert on tried to transact_bank"`,
  );
}

/** Writes one row after the other, by so many clients at once. */
export function startLoad(clients: number): Load {
  const folder = clusterFolder("db1");
  const url =
    `host=db1,db2,db3 dbname=bank user=transact_bank sslmode=verify-full ` +
    `sslrootcert=${join(folder, "ca.pem")} target_session_attrs=read-write connect_timeout=2`;
  const writes: Write[] = [];
  let [next, going] = [1, true];
  async function client(): Promise<void> {
    while (going) {
      const n = next++;
      const began = Date.now();
      const psql = ["timeout", String(PATIENCE_S), "psql", "-X", url];
      const line = lineBeside("bank1", ...psql, "-c", `insert into tried values (${n})`);
      const password = (await Bun.file(join(folder, "transact_bank.password")).text()).trim();
      const env = { PATH: process.env["PATH"], PGPASSWORD: password };
      const child = Bun.spawn(line, { stdin: "ignore", stdout: "pipe", stderr: "pipe", env });
      const [out, error] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      const said = (await child.exited) === 124 ? "gave up waiting" : `${error}${out}`.trim();
      writes.push({ n, began, ended: Date.now(), said });
      await Bun.sleep(acknowledged({ n, began, ended: 0, said }) ? 20 : 200);
    }
  }
  const running = Array.from({ length: clients }, client);
  return {
    writes,
    stop: async () => {
      going = false;
      await Promise.all(running);
    },
  };
}

/** How the writes went, and which acknowledged ones the primary does not have: there must be none. */
export function judge(writes: readonly Write[], primary: Machine) {
  const sql = "copy (select n from tried) to stdout";
  const there = new Set(
    mustOn(primary, `sudo -u postgres psql -XAt bank -c "${sql}" 2>/dev/null`)
      .split("\n")
      .map(Number),
  );
  const kept = writes.filter(acknowledged).sort((a, b) => a.ended - b.ended);
  // The last gap reaches to the end: a load that never came back must show.
  const moments = [
    ...kept.map(({ ended }) => ended),
    Math.max(...writes.map(({ ended }) => ended)),
  ];
  const gaps = moments.slice(1).map((moment, at) => ({
    from: moments[at]!,
    seconds: (moment - moments[at]!) / 1000,
  }));
  return {
    acknowledged: kept.length,
    lost: kept.filter(({ n }) => !there.has(n)).map(({ n }) => n),
    thereAndNotAcknowledged: writes.filter((w) => !acknowledged(w) && there.has(w.n)).length,
    longestGaps: gaps.sort((a, b) => b.seconds - a.seconds).slice(0, 3),
    refusals: [...new Set(writes.filter((w) => !acknowledged(w)).map(({ said }) => said))],
  };
}
