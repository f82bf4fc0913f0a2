// The limit: the product's own HTTP layer, door, signature, schema and answers, over an engine
// that says Success at once and keeps nothing. What the bank costs is measured against it.
import { readFileSync } from "node:fs";
import { systemClock } from "../../src/clock.ts";
import type { Engine } from "../../src/engine/engine.ts";
import { createApp } from "../../src/http/app.ts";
import { listen } from "../../src/http/listen.ts";

const secretFile = process.argv[2];
const secrets = secretFile === undefined ? null : [readFileSync(secretFile, "utf8").trim()];

const engine = {
  reserve: async () => ({ outcome: "success", reference: `LIMIT-${Bun.randomUUIDv7()}` }),
  result: async () => "accepted",
  malformed: async () => true,
  refused: () => true,
  notReady: () => null,
} as unknown as Engine;

const app = createApp({
  engine,
  clock: systemClock,
  currency: "ZAR",
  receiptKey: new Uint8Array(32),
  authentication: {
    signatureSecrets: secrets === null ? null : () => secrets,
    basic: null,
    allowAddresses: [],
  },
  paths: { reserveFunds: "/reserveFunds", transactResult: "/transactResult" },
  https: false,
});
const { url } = listen(app, { host: "127.0.0.1", port: 0, tls: null });
console.log(`listening ${new URL(url).port}`);
process.on("SIGTERM", () => process.exit(0));
