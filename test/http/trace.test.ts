// The name of a request: in its answer's header, its receipt, and its line of the log.
import { describe, expect, test } from "bun:test";
import { parseTraceId } from "../../src/domain/trace-id.ts";
import { createLog } from "../../src/log.ts";
import { type Answer, reserveBody } from "./bank.ts";
import { sharedBank } from "./scenario.ts";

type Line = {
  level: string;
  event: string;
  message: string;
  traceId: string;
  status: number;
  why: string;
};

const lines: Line[] = [];
const log = createLog({
  level: "debug",
  format: "json",
  now: Date.now,
  write: (line) => lines.push(JSON.parse(line) as Line),
});

describe("every answer", () => {
  const bank = sharedBank({
    log,
    openApi: "{}",
    authentication: { basic: { user: "u", passwords: () => ["p"] } },
  });
  const headers = { authorization: `Basic ${btoa("u:p")}` };
  const post = (path: string, body: unknown) => bank().post(path, body, headers);

  test.each([
    // what is answered; the request; its status; its line's event, level and reason
    ["a success", () => post("/reserveFunds", reserveBody()), 200, "answered", "debug", ""],
    [
      "a decline",
      () => post("/reserveFunds", reserveBody({ sourceIdentifier: "nobody" })),
      200,
      "answered",
      "debug",
      "",
    ],
    [
      "an unmatched result",
      () => post("/transactResult", { raasTxnRef: "none", responseCode: "2201" }),
      404,
      "answered",
      "debug",
      "",
    ],
    [
      "a malformed one",
      () => post("/transactResult", { raasTxnRef: "none" }),
      400,
      "refused",
      "info",
      "responseCode is required: a string of four digits",
    ],
    [
      "wrong credentials",
      () => bank().post("/reserveFunds", reserveBody()),
      401,
      "refused",
      "info",
      "credentials",
    ],
    [
      "too large a body",
      () => post("/reserveFunds", "x".repeat(65_537)),
      413,
      "refused",
      "info",
      "body too large",
    ],
    ["an unknown path", () => post("/nowhere", {}), 404, "refused", "info", "unknown path"],
    [
      "a wrong method",
      () => bank().request("/reserveFunds", { method: "GET" }),
      405,
      "refused",
      "info",
      "wrong method",
    ],
    [
      "a health check",
      () => bank().request("/health/live", { method: "GET" }),
      200,
      "answered",
      "debug",
      "",
    ],
    [
      "the description",
      () => bank().request("/openapi.json", { method: "GET" }),
      200,
      "answered",
      "debug",
      "",
    ],
  ] as [string, () => Promise<Answer>, number, string, string, string][])(
    "%s has a name, which stands in its receipt and in the log",
    async (what, ask, status, event, level, why) => {
      const answer = await ask();
      const traceId = answer.headers.get("x-request-id") ?? "";
      expect(answer.status).toBe(status);
      expect(parseTraceId(traceId)).not.toBeNull();
      expect(lines.at(-1)).toMatchObject({ traceId, status, event, level, why });
      if (["a health check", "the description"].includes(what)) return;
      await bank().engine.drained();
      expect(bank().store.receipt(traceId)).toMatchObject({ traceId, status });
    },
  );

  test("no two have the same", async () => {
    const many = Array.from({ length: 50 }, () => post("/reserveFunds", reserveBody()));
    const ids = (await Promise.all(many)).map((answer) => answer.headers.get("x-request-id"));
    expect(new Set(ids).size).toBe(50);
  });

  test("a name that was never given finds nothing", () => {
    expect(bank().store.receipt("mm8w2680-1")).toBeNull();
    expect(bank().store.receipt("zzzzzzzz-1")).toBeNull();
  });

  test("a caller cannot choose it", async () => {
    const named = { ...headers, "x-request-id": "mine" };
    const answer = await bank().post("/reserveFunds", reserveBody(), named);
    expect(answer.headers.get("x-request-id")).not.toBe("mine");
  });
});
