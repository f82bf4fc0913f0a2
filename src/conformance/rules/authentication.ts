// Contract 5: who is let in. Each rule needs the credentials, to leave them out or make them wrong.
import { signatureOf } from "../../http/authenticate.ts";
import { CANCELLED, codeOf, must, mustRefuse, NotTried, said } from "../kit.ts";
import type { Rule } from "../rule.ts";

export const authenticationRules: readonly Rule[] = [
  {
    id: "signature.missing",
    section: "5",
    words: "401: a signature is required and missing",
    needs: ["secret"],
    async run(kit) {
      mustRefuse(await kit.reserve({}, { signature: "none" }), 401, "reserveFunds");
      const fields = { raasTxnRef: kit.newId(), responseCode: CANCELLED };
      mustRefuse(await kit.result(fields, { signature: "none" }), 401, "transactResult");
    },
  },
  {
    id: "signature.wrong",
    section: "5",
    words: "401: a signature with another secret, over another body, or no base64",
    needs: ["secret"],
    async run(kit) {
      mustRefuse(await kit.reserve({}, { signature: "wrong" }), 401, "another secret");
      const other = signatureOf(kit.client.target.secret ?? "", Buffer.from("{}"));
      mustRefuse(await kit.reserve({}, { signature: { header: other } }), 401, "another body");
      mustRefuse(await kit.reserve({}, { signature: { header: "no base64!" } }), 401, "garbage");
      const result = { raasTxnRef: kit.newId(), responseCode: CANCELLED };
      mustRefuse(await kit.result(result, { signature: "wrong" }), 401, "a result");
    },
  },
  {
    id: "signature.bytes",
    section: "5",
    words: "The signature is over the body bytes exactly as received",
    needs: ["secret", "active"],
    async run(kit) {
      const fields = kit.reserveFields({ channelName: "Caf\u00e9" });
      const body = JSON.stringify(fields, null, 3).replaceAll("\u00e9", "\\u00e9");
      const answer = await kit.raw("reserveFunds", { body: `${body}\n` }, fields);
      must(codeOf(answer) === "0000", `with blanks and escapes: got ${said(answer)}`);
    },
  },
  {
    id: "signature.first",
    section: "5",
    words: "The signature is compared before parsing: 401 whatever the body is",
    needs: ["secret"],
    async run(kit) {
      const served = await kit.reserve({}, { signature: "wrong" });
      if (served.status !== 401) throw new NotTried(`a wrong signature got ${said(served)}`);
      const unread = await kit.raw("reserveFunds", { body: "{", signature: "wrong" });
      mustRefuse(unread, 401, "no JSON, wrongly signed");
    },
  },
  {
    id: "signature.forgotten",
    section: "4.2",
    words: "401 is no outcome and is not remembered: the signed request is served",
    needs: ["secret", "active"],
    async run(kit) {
      const fields = kit.reserveFields();
      await kit.reserveOnly(fields, { signature: "wrong" });
      const answer = await kit.reserveOnly(fields);
      must(codeOf(answer) === "0000", `expected responseCode "0000", got ${said(answer)}`);
    },
  },
  {
    id: "basic.refused",
    section: "5",
    words: "401 with WWW-Authenticate: Basic credentials are missing or wrong",
    needs: ["basic"],
    async run(kit) {
      for (const basic of ["none", "wrong"] as const) {
        const answer = await kit.reserve({}, { basic });
        mustRefuse(answer, 401, basic === "none" ? "no credentials" : "a wrong password");
        const result = { raasTxnRef: kit.newId(), responseCode: CANCELLED };
        mustRefuse(await kit.result(result, { basic }), 401, "a result");
        must(/^basic/i.test(answer.headers.get("www-authenticate") ?? ""), "no WWW-Authenticate");
      }
    },
  },
  {
    id: "tls.certificate",
    section: "5",
    words: "Without a client certificate nobody is let in",
    needs: ["certificate"],
    async run(kit) {
      const answer = await kit.reserve({}, { certificate: "none" });
      const isRefused = answer.status === 0 || answer.status === 401 || answer.status === 403;
      must(isRefused, `expected a refused connection or 401, got ${said(answer)}`);
    },
  },
];
