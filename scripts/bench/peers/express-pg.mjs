// A peer: Express, node-postgres and PostgreSQL.
//
//   node express-pg.mjs --database-url URL [--accounts N] [--schema NAME] [--pool N] [--secret S]
import { once } from "node:events";
import express from "express";
import {
  announce,
  answererOf,
  endOnSignal,
  LARGEST_BODY,
  RESERVE_PATH,
  RESULT_PATH,
} from "./common.mjs";
import { openPostgresBank, parsePostgresFlags } from "./postgres-bank.mjs";

const NO_BODY = Buffer.alloc(0);
/** Fastify's default. Node's 5 seconds would close connections that a client still counts on. */
const KEEP_ALIVE_MS = 72_000;

function appOf(answer) {
  const app = express();
  // Neither header means anything to an answer that nobody caches.
  app.set("etag", false).disable("x-powered-by");
  // The signature is over the bytes as they came, and the receipt keeps them.
  app.use(express.raw({ type: () => true, limit: LARGEST_BODY }));
  for (const path of [RESERVE_PATH, RESULT_PATH]) {
    app.post(path, async (request, response) => {
      const raw = request.body ?? NO_BODY;
      const { status, body } = await answer(path, raw, request.headers.signature);
      response.status(status);
      if (body === "") response.end();
      else response.type("application/json").send(body);
    });
  }
  // Express knows an error handler by its four parameters.
  app.use((error, _request, response, _next) => {
    const status = error.status ?? 500;
    if (status >= 500) console.error(error);
    response.status(status).json({ responseCode: "2090", responseMessage: "Unknown error" });
  });
  return app;
}

const flags = parsePostgresFlags();
const bank = await openPostgresBank(flags);
const server = appOf(answererOf(bank, flags.secret)).listen(0, "127.0.0.1");
server.keepAliveTimeout = KEEP_ALIVE_MS;
await once(server, "listening");
endOnSignal(server, async () => {
  const closed = once(server, "close");
  server.close();
  await closed;
  await bank.close();
});
announce(server.address().port);
