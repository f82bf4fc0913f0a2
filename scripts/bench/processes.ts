// Starts the programs that are measured and ends every one of them, however the run itself ends.

export type Environment = Readonly<Record<string, string>>;

export type Server = {
  readonly port: number;
  readonly pid: number;
  /** From the start of the process until it took requests. */
  readonly readyMs: number;
  /** Ends it in order; throws where it had ended by itself or ends with an error. */
  stop(): Promise<void>;
};

/** A program that should have ended by then is killed. */
const STOP_MS = 30_000;
/** Making and filling the tables of a million accounts is part of some starts. */
const START_MS = 10 * 60_000;
/** Growing the largest bank and verifying it take the longest. */
const LONGEST_RUN_MS = 5 * 3_600_000;
/** So much of what a program printed is kept for an error message. */
const KEPT_OUTPUT = 2_000;

const started = new Set<Bun.Subprocess>();
const atEnd = new Set<() => unknown>();
let ending = false;

/** Registers what must happen before this process ends; gives what takes it off again. */
export function onEnd(act: () => unknown): () => void {
  atEnd.add(act);
  return () => atEnd.delete(act);
}

/** Ends every program that still runs, the newest first, and does what else is registered. */
export async function endAll(): Promise<void> {
  for (const child of [...started].reverse()) child.kill("SIGKILL");
  await Promise.allSettled([...started].map(({ exited }) => exited));
  for (const act of [...atEnd].reverse()) {
    atEnd.delete(act);
    // The others must have their turn whatever one does.
    await Promise.resolve(act()).catch(() => {});
  }
}

/** On a signal nothing may stay behind: no program, no folder. */
export function endOnSignals(): void {
  const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
  for (const [signal, code] of Object.entries(codes)) {
    process.on(signal, async () => {
      if (ending) return;
      ending = true;
      await endAll();
      process.exit(code);
    });
  }
}

/** True once a signal came: what fails from then on fails because of it. */
export const isEnding = (): boolean => ending;

function track(child: Bun.Subprocess): void {
  started.add(child);
  void child.exited.then(() => started.delete(child));
}

export type RunOptions = {
  readonly env?: Environment;
  readonly cwd?: string;
  /** After so many milliseconds it is killed. */
  readonly limitMs?: number;
  /** Its standard error is seen at once as well, for what takes long. */
  readonly showsErrors?: boolean;
};

function spawn(command: readonly string[], { env = {}, cwd }: RunOptions) {
  const child = Bun.spawn([...command], {
    // A peer must not be measured in the slower mode that its developers use.
    env: { ...process.env, NODE_ENV: "production", ...env },
    ...(cwd === undefined ? {} : { cwd }),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  track(child);
  return child;
}

/** Runs a program to its end; gives its exit code, output and CPU seconds. */
export async function runProgram(
  command: readonly string[],
  options: RunOptions = {},
): Promise<{ code: number; stdout: string; stderr: string; cpuSeconds: number }> {
  const child = spawn(command, options);
  const timer = setTimeout(() => child.kill("SIGKILL"), options.limitMs ?? LONGEST_RUN_MS);
  let stderr = "";
  const [stdout, , code] = await Promise.all([
    new Response(child.stdout).text(),
    readAll(child.stderr, (text) => {
      stderr += text;
      if (options.showsErrors === true) process.stderr.write(text);
    }),
    child.exited,
  ]);
  clearTimeout(timer);
  const cpu = child.resourceUsage()?.cpuTime;
  return { code, stdout, stderr, cpuSeconds: Number(cpu?.total ?? 0) / 1e6 };
}

/** The same, and throws with what it printed where it fails. */
export async function mustRun(
  command: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await runProgram(command, options);
  if (code === 0) return stdout;
  throw new Error(
    `${nameOf(command)} ended with ${code}: ${(stderr + stdout).slice(-KEPT_OUTPUT)}`,
  );
}

/** A program's name without the folders of this machine. */
function nameOf(command: readonly string[]): string {
  return command
    .slice(0, 2)
    .map((word) => word.split("/").at(-1))
    .join(" ");
}

/** Reads a stream to its end, so that the program never waits for a reader. */
async function readAll(stream: ReadableStream<Uint8Array>, onText: (text: string) => void) {
  const decoder = new TextDecoder();
  for await (const piece of stream) onText(decoder.decode(piece, { stream: true }));
}

/**
 * Starts a server and waits until it says where it listens: `ready` finds the port in its output.
 * `check`, if given, is a path that must answer 200 before the server counts as ready.
 */
export async function startServer(
  command: readonly string[],
  options: { readonly env: Environment; readonly ready: RegExp; readonly check?: string },
): Promise<Server> {
  const startedAtMs = performance.now();
  const child = spawn(command, { env: options.env });
  let output = "";
  const found = Promise.withResolvers<number>();
  const onText = (text: string) => {
    output = `${output}${text}`.slice(-KEPT_OUTPUT);
    const port = options.ready.exec(output)?.[1];
    if (port !== undefined) found.resolve(Number(port));
  };
  const failed = (what: string) => found.reject(new Error(`${nameOf(command)} ${what}: ${output}`));
  const read = Promise.all([readAll(child.stdout, onText), readAll(child.stderr, onText)]);
  void child.exited.then(async (code) => {
    await read;
    failed(`ended with ${code} before it listened`);
  });
  const timer = setTimeout(() => failed("did not listen in time"), START_MS);
  try {
    const port = await found.promise;
    if (options.check !== undefined) await answers(port, options.check);
    return {
      port,
      pid: child.pid,
      readyMs: performance.now() - startedAtMs,
      stop: () => stopServer(child, () => `${nameOf(command)}: ${output}`),
    };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function answers(port: number, path: string): Promise<void> {
  for (;;) {
    const { status } = await fetch(`http://127.0.0.1:${port}${path}`);
    if (status === 200) return;
    await Bun.sleep(1);
  }
}

async function stopServer(child: Bun.Subprocess, described: () => string): Promise<void> {
  if (child.exitCode !== null) throw new Error(`${described()} (it ended by itself)`);
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  const code = await child.exited;
  clearTimeout(timer);
  if (code !== 0) throw new Error(`${described()} (it stopped with ${code})`);
}
