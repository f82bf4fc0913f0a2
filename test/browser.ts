// Chromium without a window, spoken to over its DevTools protocol: pages are looked at as people do.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type Screen = { readonly width: number; readonly height: number; readonly dark?: boolean };

/** What a page came to on one screen. */
export type Looked = {
  /** The widest line of it, in pixels: more than the screen's width has to be scrolled sideways. */
  readonly width: number;
  /** Everything it asked for beside itself. */
  readonly requests: readonly string[];
  /** What it complained of. */
  readonly complaints: readonly string[];
  /** The names of its images, as a screen reader says them. */
  readonly images: readonly string[];
  /** Background, text and the first part of a chart, as "rgb(...)". */
  readonly colours: readonly string[];
};

export type Browser = {
  look(file: string, screen: Screen): Promise<Looked>;
  /** Prints it; gives the PDF. */
  print(file: string): Promise<Uint8Array>;
  close(): Promise<void>;
};

type Message = {
  readonly id?: number;
  readonly method?: string;
  readonly sessionId?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
};

const addressOf = (file: string) => Bun.pathToFileURL(file).href;

async function debuggerOf(stderr: ReadableStream<Uint8Array>): Promise<string> {
  let said = "";
  const decoder = new TextDecoder();
  for await (const part of stderr) {
    said += decoder.decode(part, { stream: true });
    const match = /DevTools listening on (ws:\S+)/.exec(said);
    if (match?.[1] !== undefined) return match[1];
  }
  throw new Error(`the browser did not start: ${said.slice(-500)}`);
}

/** Sends commands and hands what happens to who listens. */
function connection(socket: WebSocket) {
  let last = 0;
  const waiting = new Map<number, (message: Message) => void>();
  const listeners = new Set<(message: Message) => void>();
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(String(data)) as Message;
    if (message.id !== undefined) waiting.get(message.id)?.(message);
    else for (const listener of listeners) listener(message);
  });
  return {
    listeners,
    send(method: string, params: object = {}, sessionId?: string) {
      last += 1;
      const id = last;
      return new Promise<Record<string, unknown>>((resolve, reject) => {
        waiting.set(id, ({ result, error }) => {
          waiting.delete(id);
          if (error === undefined) resolve(result ?? {});
          else reject(new Error(`${method}: ${error.message}`));
        });
        socket.send(JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) }));
      });
    },
  };
}

type Connection = ReturnType<typeof connection>;

/** A tab of its own, with all that it says until it is closed. */
async function openTab({ listeners, send }: Connection, file: string, prepare?: object[]) {
  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const messages: Message[] = [];
  const loaded = Promise.withResolvers<void>();
  const listener = (message: Message) => {
    if (message.sessionId !== sessionId) return;
    messages.push(message);
    if (message.method === "Page.loadEventFired") loaded.resolve();
  };
  listeners.add(listener);
  const tell = (method: string, params: object = {}) => send(method, params, String(sessionId));
  for (const domain of ["Page", "Network", "Log", "Runtime"]) await tell(`${domain}.enable`);
  for (const step of prepare ?? []) {
    const [method, params] = Object.entries(step)[0] as [string, object];
    await tell(method, params);
  }
  await tell("Page.navigate", { url: addressOf(file) });
  await loaded.promise;
  const close = async () => {
    listeners.delete(listener);
    await send("Target.closeTarget", { targetId });
  };
  return { tell, messages, close };
}

const SEEN = `JSON.stringify({
  width: document.scrollingElement.scrollWidth,
  colours: [
    getComputedStyle(document.body).backgroundColor,
    getComputedStyle(document.body).color,
    document.querySelector(".s0") ? getComputedStyle(document.querySelector(".s0")).fill : "",
  ],
})`;

const COMPLAINTS = ["Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"];

async function look(browser: Connection, file: string, screen: Screen): Promise<Looked> {
  const { width, height, dark } = screen;
  const value = dark === true ? "dark" : "light";
  const tab = await openTab(browser, file, [
    {
      "Emulation.setDeviceMetricsOverride": {
        ...{ width, height, deviceScaleFactor: 1, mobile: width < 600 },
      },
    },
    { "Emulation.setEmulatedMedia": { features: [{ name: "prefers-color-scheme", value }] } },
  ]);
  const { result } = await tab.tell("Runtime.evaluate", { expression: SEEN });
  const seen = JSON.parse(String((result as { value: unknown }).value)) as Looked;
  const { nodes } = await tab.tell("Accessibility.getFullAXTree");
  type Node = { ignored: boolean; role?: { value: string }; name?: { value: string } };
  const images = (nodes as Node[])
    .filter(({ ignored, role }) => !ignored && role?.value === "image")
    .map(({ name }) => name?.value ?? "");
  await tab.close();
  const own = addressOf(file);
  const requests = tab.messages
    .filter(({ method }) => method === "Network.requestWillBeSent")
    .map(({ params }) => (params as { request: { url: string } }).request.url)
    .filter((url) => url !== own);
  const complaints = tab.messages
    .filter(({ method }) => COMPLAINTS.includes(method ?? ""))
    .map(({ params }) => JSON.stringify(params));
  return { ...seen, requests, complaints, images };
}

async function print(browser: Connection, file: string): Promise<Uint8Array> {
  const dark = { features: [{ name: "prefers-color-scheme", value: "dark" }] };
  const tab = await openTab(browser, file, [{ "Emulation.setEmulatedMedia": dark }]);
  const { data } = await tab.tell("Page.printToPDF", {
    preferCSSPageSize: true,
    printBackground: false,
  });
  await tab.close();
  return Buffer.from(String(data), "base64");
}

export async function openBrowser(program: string): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), "transact-bank-browser-"));
  const child = Bun.spawn(
    [
      program,
      ...["--headless=new", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"],
      // Without it Chromium does not run as root.
      ...["--no-sandbox", "--disable-dev-shm-usage", `--user-data-dir=${profile}`],
      "about:blank",
    ],
    { stdout: "ignore", stderr: "pipe" },
  );
  const socket = new WebSocket(await debuggerOf(child.stderr));
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", reject);
  });
  const browser = connection(socket);
  return {
    look: (file, screen) => look(browser, file, screen),
    print: (file) => print(browser, file),
    async close() {
      await browser.send("Browser.close").catch(() => undefined);
      await child.exited;
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
