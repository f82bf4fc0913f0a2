// A client in a process of its own, so that requests race as Clickatell's do: over real sockets,
// from more than one machine. Each line that it reads is a job, each line that it writes what came
// of the job: `startClient` in clients.ts talks to it.
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Call, Called, Job } from "./clients.ts";

async function call(url: string, { path, body }: Call): Promise<Called> {
  const sentAt = Date.now();
  try {
    const answer = await fetch(`${url}${path}`, { method: "POST", body: JSON.stringify(body) });
    return { sentAt, status: answer.status, body: await answer.text() };
  } catch {
    return { sentAt, status: 0, body: "" };
  }
}

/** How many calls each lane still makes after it was told to end. */
const LAST_CALLS = 3;

/** Calls one after the other, each with a new raasTxnRef, until the file is there, and some more. */
async function keepCalling(job: Extract<Job, { prefix: string }>, lane: number): Promise<Called[]> {
  const called: Called[] = [];
  for (let left = LAST_CALLS; left > 0; ) {
    if (existsSync(job.untilFile)) left -= 1;
    const raasTxnRef = `${job.prefix}-${lane}-${called.length}`;
    called.push(await call(job.url, { path: "/reserveFunds", body: { ...job.body, raasTxnRef } }));
  }
  return called;
}

const lanes = <T>(count: number, run: (lane: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, lane) => run(lane)));

for await (const line of createInterface(process.stdin)) {
  const job = JSON.parse(line) as Job;
  const called =
    "calls" in job
      ? await Promise.all(job.calls.map((each) => call(job.url, each)))
      : (await lanes(job.lanes, (lane) => keepCalling(job, lane))).flat();
  process.stdout.write(`${JSON.stringify(called)}\n`);
}
