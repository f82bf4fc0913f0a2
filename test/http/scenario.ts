// Tables of requests and answers: one row is one test, its columns are what the contract says.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Answer, type TestBank, testBank, wireBody } from "./bank.ts";

export type Scenario = {
  readonly name: string;
  /** POST where nothing is said. */
  readonly method?: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  /** Text and bytes go as they are, anything else as JSON. */
  readonly body?: unknown;
  readonly status: number;
  /** The whole body of the answer. */
  readonly exact?: string;
  readonly contains?: readonly string[];
  readonly absent?: readonly string[];
};

/** Checks an answer against what its row says. */
export function expectAnswer(answer: Answer, row: Omit<Scenario, "name" | "path">): void {
  const { exact = answer.body, contains = [], absent = [] } = row;
  expect({ status: answer.status, body: answer.body }).toEqual({ status: row.status, body: exact });
  for (const text of contains) expect(answer.body).toContain(text);
  for (const text of absent) expect(answer.body).not.toContain(text);
}

/** Runs a table in order on one bank, each row a test. */
export function scenarios(bank: () => TestBank, rows: readonly Scenario[]): void {
  for (const row of rows) {
    test(row.name, async () => {
      const { method = "POST", headers = {}, body } = row;
      const init = body === undefined ? {} : { body: wireBody(body) };
      expectAnswer(await bank().request(row.path, { method, headers, ...init }), row);
    });
  }
}

/** One bank for all tests of a `describe`; the function gives it once they run. */
export function sharedBank(...options: Parameters<typeof testBank>): () => TestBank {
  let bank: TestBank | undefined;
  beforeAll(() => {
    bank = testBank(...options);
  });
  afterAll(() => bank?.close());
  return () => bank!;
}

/** The text of a 400: which field broke which rule. */
export const refused = (message: string): string =>
  JSON.stringify({ responseCode: "2090", responseMessage: message });
