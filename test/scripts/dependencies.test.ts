// Dependencies: pinned, locked with digests, and asked about, against a registry of the test's own.
import { afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dir, "../..");
const read = (name: string) => JSON.parse(readFileSync(join(ROOT, name), "utf8")) as never;

type Manifest = Record<"dependencies" | "devDependencies", Record<string, string>>;
type Lock = { packages: Record<string, { version: string; integrity?: string; link?: true }> };

describe.each(["", "scripts/bench/peers/"])("%spackage.json", (folder) => {
  const manifest = read(`${folder}package.json`) as Manifest;
  const { packages } = read(`${folder}package-lock.json`) as Lock;

  test("names exact versions alone, and they are the ones that are locked", () => {
    const wanted = { ...manifest.dependencies, ...manifest.devDependencies };
    expect(Object.keys(wanted).length).toBeGreaterThan(0);
    for (const [name, version] of Object.entries(wanted)) {
      expect([name, version]).toEqual([name, expect.stringMatching(/^\d+\.\d+\.\d+$/)]);
      expect([name, packages[`node_modules/${name}`]?.version]).toEqual([name, version]);
    }
  });

  test("every package is locked with a digest of its content", () => {
    const locked = Object.entries(packages).filter(([path]) => path !== "");
    expect(locked.length).toBeGreaterThan(10);
    const open = locked.filter(([, { integrity }]) => !/^sha512-/.test(integrity ?? ""));
    expect(open.map(([path]) => path)).toEqual([]);
  });
});

describe("the audit", () => {
  let registry: ReturnType<typeof Bun.serve> | undefined;
  // What npm remembers of one test's holes must not come up in the next one.
  const cache = mkdtempSync(join(tmpdir(), "transact-bank-audit-"));
  afterEach(async () => {
    await registry?.stop(true);
    rmSync(cache, { recursive: true, force: true });
  });

  /** Runs it against a registry that knows one hole, or none, or does not answer such questions. */
  async function audit(answer: object | number): Promise<{ exit: number; err: string }> {
    registry = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch({ method, url }) {
        const name = decodeURIComponent(new URL(url).pathname.slice(1));
        if (method === "GET") return Response.json({ name, versions: {}, "dist-tags": {} });
        return typeof answer === "number"
          ? new Response("", { status: answer })
          : Response.json(answer);
      },
    });
    const child = Bun.spawn(["node", join(ROOT, "scripts", "audit.mjs")], {
      env: { ...process.env, npm_config_registry: registry.url.href, npm_config_cache: cache },
      stdout: "ignore",
      stderr: "pipe",
    });
    const err = await new Response(child.stderr).text();
    return { exit: await child.exited, err };
  }

  const hole = (name: string, severity: string) => ({
    [name]: [
      {
        id: 1,
        url: "https://example.org/1",
        title: "A hole",
        severity,
        vulnerable_versions: ">=0.0.0",
        cwe: [],
        cvss: { score: 0, vectorString: null },
      },
    ],
  });

  test.each([
    ["elysia", "moderate"],
    ["elysia", "critical"],
    // Not a direct one, and the runtime that is compiled in.
    ["memoirist", "high"],
    ["bun", "high"],
  ])("a hole in %s that is %s is named, and fails", async (name, severity) => {
    const { exit, err } = await audit(hole(name, severity));
    expect(err).toContain(`${name} `);
    expect([exit, err]).toEqual([1, expect.stringContaining("A hole")]);
  });

  test.each([
    ["elysia", "low"],
    ["@biomejs/biome", "critical"],
  ])("a hole in %s that is %s does not", async (name, severity) => {
    expect(await audit(hole(name, severity))).toEqual({ exit: 0, err: "" });
  });

  test("no hole: 0", async () => {
    expect(await audit({})).toEqual({ exit: 0, err: "" });
  });

  test("no answer is not taken for a good one", async () => {
    const { exit, err } = await audit(405);
    expect([exit, err]).toEqual([3, expect.stringContaining("NOT KNOWN")]);
  });
});
