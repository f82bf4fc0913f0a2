// The two interfaces as an OpenAPI 3.1 document, from the rules that check the requests and the
// answers that are sent: what it says is what happens. It holds no secret and nothing of a bank but
// its two paths and how a request is authenticated.
import type { TSchema } from "@sinclair/typebox";
import { OUTCOMES, type Outcome } from "../domain/outcomes.ts";
import { type Answer, answers, reserveBody } from "./answers.ts";
import { RESERVE_OPTIONAL, RESERVE_REQUIRED, RESULT_RULES } from "./schema.ts";

export const OPENAPI_PATH = "/openapi.json";

export type OpenApiOptions = {
  readonly version: string;
  readonly paths: { readonly reserveFunds: string; readonly transactResult: string };
  /** How requests are authenticated; all that are on must hold at once. */
  readonly authentication: {
    readonly signature: boolean;
    readonly basic: boolean;
    readonly clientCertificate: boolean;
  };
};

type Json = { readonly [key: string]: unknown };

// ---------------------------------------------------------------- examples

export type Example = {
  readonly name: string;
  readonly call: "reserveFunds" | "transactResult";
  readonly body: Json;
  readonly answer: Answer;
};

/** A purchase from the demo bank's first buyer; its raasTxnRef is still to come. */
export const EXAMPLE_PURCHASE = {
  sourceIdentifier: "27731304702",
  reserveAmount: 10_000,
  purchaseAmount: 10_000,
  settlementAmount: 9_000,
  productId: 110,
  channelId: 7,
  clientTxnRef: "example",
};

/** Stands for any reference of ours: each purchase has one of its own. */
export const A_REFERENCE = "DEMO-01a20ae0-eea9-7209-a90c-af0b9d6c3088";

function reserveExample(outcome: Outcome, raasTxnRef: string, fields: Json): Example {
  return {
    name: outcome,
    call: "reserveFunds",
    body: { ...EXAMPLE_PURCHASE, raasTxnRef, ...fields },
    answer: answers.reserve(outcome, raasTxnRef, A_REFERENCE),
  };
}

function resultExample(name: string, answer: Answer, body: Json): Example {
  return { name, call: "transactResult", body, answer };
}

/** In this order a demo bank answers them so (init --demo). */
export const EXAMPLES: readonly Example[] = [
  reserveExample("success", "example-1", {}),
  reserveExample("belowMinimum", "example-2", { reserveAmount: 100, purchaseAmount: 100 }),
  reserveExample("maximumExceeded", "example-3", { reserveAmount: "300000" }),
  reserveExample("notMapped", "example-4", { sourceIdentifier: "27825559999" }),
  reserveExample("invalidAuthCode", "example-5", {
    sourceIdentifier: "27821234567",
    authCode: "0000",
  }),
  reserveExample("accountInactive", "example-6", { sourceIdentifier: "27825550103" }),
  reserveExample("blacklisted", "example-7", { sourceIdentifier: "27825550104" }),
  reserveExample("insufficientFunds", "example-8", { sourceIdentifier: "27825550105" }),
  reserveExample("unknownError", "example-9", { currencyCode: "USD" }),
  {
    name: "malformed",
    call: "reserveFunds",
    body: { raasTxnRef: "example-10", sourceIdentifier: "27731304702", reserveAmount: -1 },
    answer: answers.malformed(
      `reserveAmount must be ${RESERVE_REQUIRED.reserveAmount["rule"] as string}`,
    ),
  },
  resultExample("dispensed", answers.accepted(), {
    raasTxnRef: "example-1",
    responseCode: "0000",
  }),
  resultExample("again", answers.accepted(), { raasTxnRef: "example-1", responseCode: "0000" }),
  resultExample("cancelled", answers.unmatched(), {
    raasTxnRef: "example-11",
    responseCode: "2226",
  }),
  reserveExample("timeOut", "example-11", {}),
  resultExample("malformed", answers.malformed("responseCode must be a string of four digits"), {
    raasTxnRef: "example-1",
    responseCode: 0,
  }),
];

// ---------------------------------------------------------------- schemas

/** Formats of our own, in the words of JSON Schema. */
const FORMATS: { readonly [format: string]: Json } = {
  identifier: { minLength: 1, maxLength: 64 },
  text64: { maxLength: 64 },
  text32: { maxLength: 32 },
};

/** A rule of the wire as plain JSON Schema, described by its rule. */
function plain(schema: TSchema): Json {
  const { rule, format, anyOf, ...rest } = JSON.parse(JSON.stringify(schema)) as Json & {
    readonly rule?: string;
    readonly format?: string;
    readonly anyOf?: TSchema[];
  };
  return {
    ...rest,
    ...(anyOf === undefined ? {} : { anyOf: anyOf.map(plain) }),
    ...(format === undefined ? {} : FORMATS[format]),
    ...(rule === undefined ? {} : { description: rule }),
  };
}

/** `null` and `""` in an optional field mean that it is absent. */
const optional = (schema: TSchema): Json => ({
  anyOf: [plain(schema), { enum: [null, ""], description: "the same as absent" }],
});

const each = (rules: Readonly<Record<string, TSchema>>, how: (rule: TSchema) => Json): Json =>
  Object.fromEntries(Object.entries(rules).map(([field, rule]) => [field, how(rule)]));

const SECRETS: Readonly<Record<string, string>> = {
  authCode: "the buyer's PIN; never kept",
  token: "a voucher's value; never kept",
};

const marked = (properties: Json): Json =>
  Object.fromEntries(
    Object.entries(properties).map(([field, schema]) => [
      field,
      SECRETS[field] === undefined ? schema : { ...(schema as Json), description: SECRETS[field] },
    ]),
  );

const NOT_KEPT = {
  timestamp: { description: "when it was sent; any value is taken" },
};

const RESERVE_REQUEST = {
  type: "object",
  description: "Amounts are in minor units: 25000 is 250.00. Other fields are taken and ignored.",
  required: Object.keys(RESERVE_REQUIRED),
  properties: marked({
    ...each(RESERVE_REQUIRED, plain),
    ...each(RESERVE_OPTIONAL, optional),
    currencyCode: { description: "another one than the bank's own is declined with 2090" },
    ...NOT_KEPT,
  }),
};

/** Malformed, these are ignored and become a finding: a refused result leaves money held. */
const RESULT_REQUEST = {
  type: "object",
  description: "One of the two references is enough. Only these three fields can be refused.",
  required: ["responseCode"],
  properties: marked({
    ...each(RESULT_RULES.references, optional),
    responseCode: plain(RESULT_RULES.responseCode),
    ...each(RESULT_RULES.optional, () => ({})),
    ...NOT_KEPT,
  }),
  anyOf: Object.keys(RESULT_RULES.references).map((field) => ({
    required: [field],
    properties: { [field]: { type: "string", minLength: 1 } },
  })),
};

function reserveAnswer(outcome: Outcome): Json {
  const fields = JSON.parse(reserveBody(outcome, "", "")) as Json;
  const properties = Object.entries(fields).map(([field, value]) => [
    field,
    value === "" ? { type: "string", minLength: 1, maxLength: 64 } : { const: value },
  ]);
  return {
    type: "object",
    required: Object.keys(fields),
    properties: Object.fromEntries(properties),
    additionalProperties: false,
  };
}

const REFUSAL = {
  type: "object",
  required: ["responseCode", "responseMessage"],
  properties: {
    responseCode: { const: OUTCOMES.unknownError.code },
    responseMessage: { type: "string", description: "names the field and the rule, never a value" },
  },
  additionalProperties: false,
};

const SCHEMAS = {
  ReserveFunds: RESERVE_REQUEST,
  ReserveFundsAnswer: { oneOf: (Object.keys(OUTCOMES) as Outcome[]).map(reserveAnswer) },
  TransactResult: RESULT_REQUEST,
  Unmatched: {
    type: "object",
    required: ["responseMessage"],
    properties: { responseMessage: { const: "No matching reservation" } },
    additionalProperties: false,
  },
  Refusal: REFUSAL,
  Health: {
    type: "object",
    required: ["status"],
    properties: { status: { type: "string" }, warning: { type: "string" } },
  },
};

const schemaRef = (name: keyof typeof SCHEMAS): Json => ({ $ref: `#/components/schemas/${name}` });

// ---------------------------------------------------------------- the document

const jsonContent = (schema: keyof typeof SCHEMAS, examples?: Json): Json => ({
  "application/json": { schema: schemaRef(schema), ...(examples && { examples }) },
});

function examplesOf(call: Example["call"], status: number | null): Json {
  const picked = EXAMPLES.filter(
    (example) => example.call === call && (status === null || example.answer.status === status),
  );
  return Object.fromEntries(
    picked.map(({ name, body, answer }) => [
      name,
      { value: status === null ? body : (JSON.parse(answer.body ?? "null") as unknown) },
    ]),
  );
}

/** An answer without a body of its own kind, or with a fixed one. */
const fixed = (description: string, { headers, body }: Answer): Json => {
  const type = headers["content-type"];
  const others = Object.keys(headers).filter(
    (name) => !["content-type", "connection"].includes(name),
  );
  return {
    description,
    ...(others.length > 0 && {
      headers: Object.fromEntries(others.map((name) => [name, { schema: { type: "string" } }])),
    }),
    ...(type !== undefined && {
      content: type.includes("json")
        ? jsonContent("Refusal", { fixed: { value: JSON.parse(body ?? "null") as unknown } })
        : { "text/plain": { schema: { const: body } } },
    }),
  };
};

/** What both interfaces may answer. */
const SHARED_ANSWERS = {
  401: fixed("Not authenticated, or a peer that may not call", answers.unauthenticated(false)),
  405: fixed("Another method than POST", answers.wrongMethod("POST")),
  413: fixed("The body is over 64 KiB", answers.tooLarge()),
};

function malformedAnswer(call: Example["call"]): Json {
  return {
    description: "Not JSON, or a field is missing or malformed; nothing changes",
    content: jsonContent("Refusal", examplesOf(call, 400)),
  };
}

function operation(call: Example["call"], words: { summary: string; description: string }): Json {
  const schema = call === "reserveFunds" ? "ReserveFunds" : "TransactResult";
  return {
    operationId: call,
    ...words,
    requestBody: { required: true, content: jsonContent(schema, examplesOf(call, null)) },
  };
}

const reserveFunds = (): Json => ({
  ...operation("reserveFunds", {
    summary: "Hold the money for a purchase",
    description:
      "Answered within the bank's budget, 1.8 seconds by default. The same request again has the same answer, byte for byte; Success is durable before it is sent.",
  }),
  responses: {
    200: {
      description: "Reserved, or declined: responseCode says which",
      content: jsonContent("ReserveFundsAnswer", examplesOf("reserveFunds", 200)),
    },
    400: malformedAnswer("reserveFunds"),
    ...SHARED_ANSWERS,
  },
});

const transactResult = (): Json => ({
  ...operation("transactResult", {
    summary: "Say what became of a purchase",
    description:
      "responseCode 0000: it was dispensed, and the buyer is debited. Any other: the hold is released. A repeat has no second effect.",
  }),
  responses: {
    202: { description: "Recorded, now or earlier; no body" },
    400: malformedAnswer("transactResult"),
    404: {
      description: "No reservation matches",
      content: jsonContent("Unmatched", examplesOf("transactResult", 404)),
    },
    503: fixed("Not known to be durable: send it again", answers.late()),
    ...SHARED_ANSWERS,
  },
});

const health = (operationId: string, summary: string, statuses: readonly number[]): Json => ({
  get: named({
    operationId,
    summary,
    security: [],
    responses: Object.fromEntries(
      statuses.map((status) => [
        status,
        { description: status === 200 ? "Yes" : "No, and why", content: jsonContent("Health") },
      ]),
    ),
  }),
});

const SECURITY_SCHEMES = {
  signature: {
    type: "apiKey",
    in: "header",
    name: "Signature",
    description: "Base64 of the body's HMAC-SHA256 under the shared secret",
  },
  basic: { type: "http", scheme: "basic" },
  clientCertificate: { type: "mutualTLS" },
} as const;

const HEADERS = {
  RequestId: {
    description: "names the request in the log and in its receipt",
    schema: { type: "string" },
  },
};

type Responses = { readonly [status: string]: Json };

/** Every answer names its request. */
function named(operation: Json): Json {
  const responses = Object.entries(operation["responses"] as Responses).map(([status, answer]) => {
    const headers = {
      ...(answer["headers"] as Json | undefined),
      "X-Request-Id": { $ref: "#/components/headers/RequestId" },
    };
    return [status, { ...answer, headers }];
  });
  return { ...operation, responses: Object.fromEntries(responses) };
}

/** The document for a bank that is configured so. */
export function openApiDocument({ version, paths, authentication }: OpenApiOptions): Json {
  const wanted = Object.entries(authentication).filter(([, on]) => on);
  return {
    openapi: "3.1.0",
    info: {
      title: "transact-bank",
      version,
      description: "The two calls of Clickatell to a bank that sells airtime, data and vouchers.",
    },
    servers: [{ url: "/" }],
    security: [Object.fromEntries(wanted.map(([name]) => [name, []]))],
    paths: {
      [paths.reserveFunds]: { post: named(reserveFunds()) },
      [paths.transactResult]: { post: named(transactResult()) },
      "/health/live": health("live", "Does the process answer?", [200]),
      "/health/ready": health("ready", "Can it decide purchases?", [200, 503]),
    },
    components: { schemas: SCHEMAS, headers: HEADERS, securitySchemes: SECURITY_SCHEMES },
  };
}
