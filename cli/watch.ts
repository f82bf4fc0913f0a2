// A screen that draws itself anew until a person has seen enough.
import { Failure } from "./failure.ts";
import { cleanLines } from "./output.ts";

const EVERY_MS = 2_000;
const ESCAPE = "\u001b[";
/** The terminal's second screen, so that what stood there before comes back, and no cursor. */
const ENTER = `${ESCAPE}?1049h${ESCAPE}?25l`;
const LEAVE = `${ESCAPE}?25h${ESCAPE}?1049l`;
const HOME = `${ESCAPE}H`;
const REST_OF_LINE = `${ESCAPE}K`;
const REST_OF_SCREEN = `${ESCAPE}J`;
const CONTROL_C = "\u0003";

/** Refused where nobody could see it or end it. */
export function assertTerminal(option: string): void {
  if (process.stdin.isTTY && process.stdout.isTTY) return;
  throw new Failure("usage", `${option} needs a terminal: leave it out, or add --json`);
}

/** Over what was there, so that nothing flickers; what has no room below is left out. */
function draw(text: string): void {
  const { rows = 24 } = process.stdout;
  const lines = cleanLines(text)
    .split("\n")
    .slice(0, rows - 1);
  const hint = "q or ^C ends this";
  const screen = [...lines, hint].map((line) => `${line}${REST_OF_LINE}`).join("\r\n");
  process.stdout.write(`${HOME}${screen}${REST_OF_SCREEN}`);
}

/** Draws what `read` gives every two seconds, until q, ^C or a signal. */
export async function watch(read: () => Promise<string>): Promise<void> {
  const { stdin, stdout } = process;
  const ended = Promise.withResolvers<void>();
  const end = () => ended.resolve();
  const onKey = (keys: Buffer) => {
    if (/q/i.test(keys.toString()) || keys.includes(CONTROL_C)) end();
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const again = async (): Promise<void> => {
    clearTimeout(timer);
    try {
      const text = await read();
      clearTimeout(timer);
      draw(text);
      timer = setTimeout(again, EVERY_MS);
    } catch (error) {
      ended.reject(error);
    }
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, end);
  stdin.setRawMode(true).on("data", onKey).resume();
  stdout.write(ENTER);
  stdout.on("resize", again);
  try {
    void again();
    await ended.promise;
  } finally {
    clearTimeout(timer);
    stdout.off("resize", again);
    stdin.off("data", onKey).setRawMode(false).pause();
    stdout.write(LEAVE);
    for (const signal of signals) process.off(signal, end);
  }
}
