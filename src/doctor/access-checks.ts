// Judges who may call: keys, shared secrets, authentication and TLS.
import { join, resolve } from "node:path";
import { DAY_MS } from "../domain/local-time.ts";
import { isLoopback } from "../http/listen.ts";
import { HANDOVER_FILE } from "../keys.ts";
import { quoted } from "../printable.ts";
import { authenticationSummary } from "../serve.ts";
import { credentialName } from "../service-unit.ts";
import type { Facts } from "./facts.ts";
import { command, fail, ok, several, unknown, type Verdict, warning } from "./verdict.ts";

/** What a credential of the service is called, for a file of keys/. */
const isCredential = ({ keys }: Facts, file: string): boolean =>
  keys.credentials.includes(credentialName(file));

export function pinKey(facts: Facts): Verdict {
  const { pin, receipt } = facts.keys;
  const inspection = facts.database.ok ? facts.database.value : null;
  const putBack = "Put back the copy you keep of keys/.";
  if (!pin.ok) return fail(pin.why, putBack);
  if (pin.value === null) {
    if (isCredential(facts, "pin.key")) {
      return ok("keys/pin.key is a credential of the service, which checks it as it starts");
    }
    return fail("keys/pin.key is missing: the server does not start", putBack);
  }
  if (!receipt.ok && !isCredential(facts, "receipt.key")) return fail(receipt.why, putBack);
  if (inspection === null) return unknown("database");
  if (inspection.pinKeyCheck !== null && inspection.pinKeyCheck !== pin.value) {
    return fail("keys/pin.key is another bank's: no PIN fits it", putBack);
  }
  return ok("keys/pin.key is this bank's");
}

const SHORT_SECRET = 16;
/** Both secrets of a rotation are valid until the one before is retired. */
const LONG_ROTATION_MS = 30 * DAY_MS;

export function secrets(facts: Facts): Verdict {
  const { keys, config, now } = facts;
  if (!config.ok) return unknown("configuration");
  const wanted = {
    signature: config.value.require_signature,
    basic: config.value.basic_user !== undefined,
  };
  const set: string[] = [];
  for (const { kind, state } of keys.secrets) {
    const rotate = command(facts, `secrets rotate --kind ${kind}`);
    if (!state.ok) return fail(state.why, rotate);
    if (state.value === null) {
      if (!wanted[kind]) continue;
      if (isCredential(facts, `${kind}.json`)) {
        set.push(`${kind} (a credential of the service)`);
        continue;
      }
      return fail(`the ${kind} secret is required and not set`, rotate);
    }
    set.push(wanted[kind] ? kind : `${kind} (not required)`);
    if (state.value.length < SHORT_SECRET) {
      return warning(`the ${kind} secret is shorter than ${SHORT_SECRET} characters`, rotate);
    }
    if (state.value.previousStillValid && now - state.value.rotatedAt > LONG_ROTATION_MS) {
      return warning(
        `the ${kind} secret before the last rotation is still valid after 30 days`,
        command(facts, `secrets retire --kind ${kind}`),
      );
    }
  }
  if (keys.handover) {
    return warning(
      `${HANDOVER_FILE} is still there`,
      `Once Clickatell has the secret: rm ${quoted(join(facts.dataDir, HANDOVER_FILE))}`,
    );
  }
  return ok(set.length === 0 ? "none is required" : `set: ${set.join(", ")}`);
}

export function authentication({ config, database }: Facts): Verdict {
  if (!config.ok) return unknown("configuration");
  const { host, allow_unauthenticated } = config.value;
  const ways = authenticationSummary(config.value);
  const how =
    "Require signatures (require_signature = true), client certificates or Basic over TLS.";
  const isDemo = database.ok && database.value.bank.demo;
  if (ways.some((way) => way !== "Basic without TLS")) return ok(ways.join(", "));
  if (isLoopback(host)) {
    return isDemo ? ok("none, as a demo may") : warning("nobody who calls is authenticated", how);
  }
  if (isDemo) return fail(`a demo does not serve on ${host}`, 'Set host = "127.0.0.1".');
  if (allow_unauthenticated) return warning(`anybody may buy on ${host}`, how);
  return fail(`nobody is authenticated on ${host}: the server does not start`, how);
}

/** A certificate's authority needs days, and people are away for weeks. */
const RENEW_WITHIN_DAYS = 30;

export function tls({ tls, now, config, dataDir }: Facts): Verdict {
  if (!config.ok) return unknown("configuration");
  if (tls === null) return ok("not used; a proxy may do it (docs/proxy.md)");
  const renew = "Put a new certificate there, then systemctl reload transact-bank (SIGHUP).";
  if (tls.problems.length > 0) return fail(several(tls.problems), `Correct it. ${renew}`);
  const { validFrom, validTo, name } = tls;
  if (validFrom === null || validTo === null) return fail("no certificate", renew);
  const days = Math.floor((validTo - now) / DAY_MS);
  if (validTo <= now) return fail(`${name}: ended ${-days} days ago`, renew);
  if (validFrom > now) return fail(`${name}: not valid yet`, "Check the clock, or wait.");
  if (tls.keyOpen) {
    const key = resolve(dataDir, config.value.tls?.key ?? "");
    return fail("other users may read the key", `chmod go= ${quoted(key)}`);
  }
  if (days < RENEW_WITHIN_DAYS) return warning(`${name}: ends in ${days} days`, renew);
  if (tls.unknownIssuer !== null) {
    return warning(
      `${name}: ${days} days left; issued by ${tls.unknownIssuer}, no public authority`,
      "Add its intermediate certificates to the file, or agree its CA with Clickatell.",
    );
  }
  return ok(`${name}: ${days} days left, the key fits, the chain is whole`);
}
