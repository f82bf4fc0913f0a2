// Serves a bank with Fastify; which database is behind it makes no difference here.
import Fastify from "fastify";
import {
  announce,
  answererOf,
  endOnSignal,
  LARGEST_BODY,
  RESERVE_PATH,
  RESULT_PATH,
} from "./common.mjs";

const NO_BODY = Buffer.alloc(0);

/** Listens, says where, and serves until a signal comes. */
export async function serveWithFastify(bank, { secret }) {
  const app = Fastify({ bodyLimit: LARGEST_BODY });
  const answer = answererOf(bank, secret);

  // The signature is over the bytes as they came and the receipt keeps them, so Fastify must not
  // parse them away; and what the Content-Type says makes no difference to the product either.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, raw, done) => done(null, raw));

  for (const path of [RESERVE_PATH, RESULT_PATH]) {
    app.post(path, async (request, reply) => {
      const raw = request.body ?? NO_BODY;
      const { status, body } = await answer(path, raw, request.headers.signature);
      reply.code(status);
      if (body === "") return reply.send();
      return reply.type("application/json").send(body);
    });
  }
  app.setErrorHandler((error, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) console.error(error);
    reply.code(status).send({ responseCode: "2090", responseMessage: "Unknown error" });
  });

  await app.listen({ host: "127.0.0.1", port: 0 });
  endOnSignal(app.server, async () => {
    await app.close();
    await bank.close();
  });
  announce(app.server.address().port);
}
