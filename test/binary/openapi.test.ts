// The OpenAPI document: valid, the same by command and at its URL, and true: each of its examples is
// sent to a demo bank, which answers as the document says.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Validator } from "@seriousme/openapi-schema-validator";
import Ajv from "ajv/dist/2020";
import { A_REFERENCE, EXAMPLES } from "../../src/http/openapi.ts";
import { run, words } from "../cli/run.ts";
import { type Server, startServer } from "./program.ts";

type Content = { readonly [type: string]: { readonly schema: object; readonly examples?: object } };
type Document = {
  readonly paths: {
    readonly [path: string]: {
      readonly post: {
        readonly requestBody: { readonly content: Content };
        readonly responses: {
          readonly [status: string]: { readonly content?: Content; readonly headers: object };
        };
      };
    };
  };
  readonly components: object;
};

const PATHS = { reserveFunds: "/reserveFunds", transactResult: "/transactResult" } as const;

let folder: string;
let dataDir: string;
let server: Server;
let document: Document;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "transact-bank-openapi-"));
  dataDir = join(folder, "demo");
  await run(["init", "--demo", "--data-dir", dataDir]);
  server = await startServer(dataDir, {});
  document = (await (await fetch(`${server.url}/openapi.json`)).json()) as Document;
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

test("is a valid OpenAPI 3.1 document", async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(structuredClone(document));
  expect([valid, errors, validator.version]).toEqual([true, undefined, "3.1"]);
});

test("is the same by command, with and without the bank", async () => {
  for (const line of ["openapi", "openapi --output -"]) {
    expect(JSON.parse((await run(words(line))).out)).toEqual(document);
  }
  const { exit, err } = await run(words("openapi --data-dir /nowhere"));
  expect([exit, err]).toEqual([1, expect.stringContaining("/nowhere does not exist")]);
});

/** Checks a value against a schema of the document. */
function checked(schema: object, value: unknown): string[] {
  const ajv = new Ajv({ strict: false, allErrors: true });
  const check = ajv.compile({ ...schema, components: document.components });
  return check(value)
    ? []
    : (check.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

describe("the examples, in their order, sent to a demo bank", () => {
  test.each(EXAMPLES.map((example) => [example.call, example.name, example] as const))(
    "%s: %s",
    async (call, name, { body, answer }) => {
      const { post } = document.paths[PATHS[call]]!;
      const request = post.requestBody.content["application/json"]!;
      expect(request.examples).toHaveProperty(name, { value: body });
      expect(checked(request.schema, body).length > 0).toBe(answer.status === 400);

      const said = await server.post(PATHS[call], body);
      expect(said.status).toBe(answer.status);
      const reference = /DEMO-[0-9a-f-]{36}/;
      expect(said.body.replace(reference, A_REFERENCE)).toBe(answer.body ?? "");

      const { content, headers } = post.responses[answer.status]!;
      for (const header of Object.keys(headers))
        expect([header, said.headers.has(header)]).toEqual([header, true]);
      if (said.body === "") expect(content).toBeUndefined();
      else expect(checked(content!["application/json"]!.schema, JSON.parse(said.body))).toEqual([]);
    },
  );

  test("are all that the document has", () => {
    const named = Object.values(document.paths).flatMap(({ post }) =>
      Object.keys(post?.requestBody.content["application/json"]?.examples ?? {}),
    );
    expect(named.sort()).toEqual(EXAMPLES.map(({ name }) => name).sort());
  });
});

describe("an answer at the door", () => {
  test.each([
    ["405", () => fetch(`${server.url}/reserveFunds`)],
    [
      "413",
      () => fetch(`${server.url}/reserveFunds`, { method: "POST", body: "x".repeat(70_000) }),
    ],
  ] as const)("%s is the one that is documented", async (status, send) => {
    const response = await send();
    expect(String(response.status)).toBe(status);
    const { content } = document.paths["/reserveFunds"]!.post.responses[status]!;
    expect(checked(content!["text/plain"]!.schema, await response.text())).toEqual([]);
  });
});

test("says how requests are authenticated, holds no secret, and can be turned off", async () => {
  const own = join(folder, "own");
  writeFileSync(join(folder, "secret"), "hush-hush\n");
  const flags = "init --no-input --bank-code ACME --currency ZAR --country ZA --time-zone UTC";
  await run([
    ...words(flags),
    "--data-dir",
    own,
    "--signature-secret-file",
    join(folder, "secret"),
  ]);
  const { out } = await run(["openapi", "--data-dir", own]);
  expect(out).not.toContain("hush");
  expect(JSON.parse(out)).toHaveProperty("security", [{ signature: [] }]);

  writeFileSync(join(own, "config.toml"), "openapi = false\nrequire_signature = true\n");
  const closed = await startServer(own, {});
  try {
    expect((await fetch(`${closed.url}/openapi.json`)).status).toBe(404);
  } finally {
    await closed.stop();
  }
});
