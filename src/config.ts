// The data dir's config.toml: what a bank may set, what it is by default, what is refused.
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { type Static, type TObject, Type } from "@sinclair/typebox";
import { Value } from "@sinclair/typebox/value";
import { CONTROLLED_KINDS, type ControlledKind } from "./domain/dual-control.ts";
import { PIN_POLICIES } from "./domain/pin.ts";
import { messageOf } from "./errors.ts";
import { LOG_FORMATS, LOG_LEVELS } from "./log.ts";
import { ADDRESS_RULE, readAddress } from "./storage/postgres/address.ts";

export const CONFIG_FILE = "config.toml";

/** The configuration is wrong; the message names the key and the rule, never the value. */
export class ConfigError extends Error {}

const path = (standard: string) =>
  Type.String({
    pattern: "^/[A-Za-z0-9/_.~-]{0,200}$",
    default: standard,
    rule: "a path such as /reserveFunds",
  });
const fileName = Type.String({ minLength: 1, rule: "a file name" });

const backup = Type.Object(
  {
    folder: Type.String({ minLength: 1, default: "backups", rule: "a folder" }),
    at: Type.Array(Type.String({ pattern: "^([01][0-9]|2[0-3]):[0-5][0-9]$" }), {
      maxItems: 24,
      default: ["02:00"],
      rule: 'a list of local times such as ["02:00"]; an empty one is never',
    }),
    keep_days: Type.Integer({ minimum: 1, maximum: 3_660, default: 7, rule: "1 to 3660 days" }),
    keep_weeks: Type.Integer({ minimum: 0, maximum: 520, default: 8, rule: "0 to 520 weeks" }),
    key_file: Type.Optional(fileName),
  },
  { additionalProperties: false, default: {}, rule: "a table, such as [backup]" },
);

const Schema = Type.Object(
  {
    database: Type.Optional(Type.String({ rule: ADDRESS_RULE })),
    host: Type.String({ minLength: 1, default: "127.0.0.1", rule: "an address to listen on" }),
    port: Type.Integer({ minimum: 0, maximum: 65_535, default: 8080, rule: "0 to 65535" }),
    reserve_funds_path: path("/reserveFunds"),
    transact_result_path: path("/transactResult"),
    reserve_budget_ms: Type.Integer({
      minimum: 50,
      maximum: 4_500,
      default: 1_800,
      rule: "50 to 4500 milliseconds: Clickatell gives up at 5 seconds",
    }),
    pin_policy: Type.Union(
      PIN_POLICIES.map((policy) => Type.Literal(policy)),
      { default: "if-set", rule: `one of ${PIN_POLICIES.join(", ")}` },
    ),
    pin_max_tries: Type.Integer({ minimum: 1, maximum: 100, default: 3, rule: "1 to 100" }),
    weekend: Type.Array(Type.Integer({ minimum: 1, maximum: 7 }), {
      uniqueItems: true,
      maxItems: 6,
      default: [6, 7],
      rule: "a list of ISO weekdays, 1 is Monday and 7 is Sunday, at most six of them",
    }),
    dual_control: Type.Array(Type.Union(CONTROLLED_KINDS.map((kind) => Type.Literal(kind))), {
      uniqueItems: true,
      default: [],
      rule: `a list of ${CONTROLLED_KINDS.map((kind) => `"${kind}"`).join(", ")}, or of some of them`,
    }),
    approval_days: Type.Integer({ minimum: 1, maximum: 90, default: 7, rule: "1 to 90 days" }),
    require_signature: Type.Boolean({ default: false, rule: "true or false" }),
    allow_unauthenticated: Type.Boolean({ default: false, rule: "true or false" }),
    allow_addresses: Type.Array(Type.String(), {
      default: [],
      rule: 'a list of addresses and networks, such as ["10.0.0.7", "196.0.0.0/24"]',
    }),
    trusted_proxies: Type.Array(Type.String(), {
      default: [],
      rule: 'a list of addresses and networks, such as ["127.0.0.1", "10.0.0.0/24"]',
    }),
    openapi: Type.Boolean({ default: true, rule: "true or false" }),
    log_level: Type.Union(
      LOG_LEVELS.map((level) => Type.Literal(level)),
      { default: "info", rule: `one of ${LOG_LEVELS.join(", ")}` },
    ),
    log_format: Type.Union(
      LOG_FORMATS.map((format) => Type.Literal(format)),
      { default: "text", rule: `one of ${LOG_FORMATS.join(", ")}` },
    ),
    metrics_port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65_535, rule: "0 to 65535" })),
    basic_user: Type.Optional(
      Type.String({ pattern: "^[^:]{1,64}$", rule: "a name without a colon" }),
    ),
    tls: Type.Optional(
      Type.Object(
        {
          certificate: fileName,
          key: fileName,
          client_ca: Type.Optional(fileName),
        },
        { additionalProperties: false, rule: "a table with certificate and key" },
      ),
    ),
    backup,
  },
  { additionalProperties: false },
);

export type Config = Static<typeof Schema>;

export const DEFAULT_CONFIG: Config = Value.Default(Schema, {}) as Config;

/** The keys in the order they stand in the documentation, with their rules. */
export function configKeys(): readonly string[] {
  return Object.keys(Schema.properties);
}

/** What is allowed for a key, in words, and its default; undefined where it has none. */
export type ConfigRule = {
  readonly key: string;
  readonly rule: string;
  readonly standard: unknown;
};

/** Every key there is, those of tables with the table's name. */
export function configRules({ properties }: TObject = Schema, table = ""): readonly ConfigRule[] {
  return Object.entries(properties).flatMap(([name, schema]) => {
    const key = `${table}${name}`;
    const own = { key, rule: String(schema["rule"]), standard: schema.default as unknown };
    return schema["type"] === "object"
      ? [own, ...configRules(schema as TObject, `${key}.`)]
      : [own];
  });
}

/** True where the text is an address, or a network as address/bits. */
function isAddressOrNetwork(text: string): boolean {
  const [address = "", bits, ...rest] = text.split("/");
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return (
    bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
  );
}

/**
 * Reads TOML text as a configuration.
 * Gives it with the defaults filled in; throws ConfigError with the key and the rule. A value is
 * never repeated in the message: someone may have put a secret there.
 */
export function parseConfig(text: string): Config {
  let raw: unknown;
  try {
    raw = Bun.TOML.parse(text);
  } catch {
    throw new ConfigError(`${CONFIG_FILE} is not valid TOML`);
  }
  const filled = Value.Default(Schema, Value.Clone(raw));
  const first = Value.Errors(Schema, filled).First();
  if (first !== undefined) {
    const key = first.path.slice(1).replaceAll("/", ".");
    const unknown = first.message === "Unexpected property";
    const rule = first.schema["rule"] ?? first.message;
    throw new ConfigError(
      unknown
        ? `${CONFIG_FILE}: there is no key "${key}"; the keys are ${configKeys().join(", ")}`
        : `${CONFIG_FILE}: "${key}" must be ${rule}`,
    );
  }
  const config = filled as Config;
  for (const key of ["allow_addresses", "trusted_proxies"] as const) {
    if (config[key].every(isAddressOrNetwork)) continue;
    throw new ConfigError(`${CONFIG_FILE}: "${key}" must be ${Schema.properties[key]["rule"]}`);
  }
  if (config.database !== undefined) assertAddress(config.database);
  if (config.reserve_funds_path === config.transact_result_path) {
    throw new ConfigError(`${CONFIG_FILE}: the two paths must differ`);
  }
  return config;
}

function assertAddress(text: string): void {
  try {
    readAddress(text);
  } catch (error) {
    throw new ConfigError(`${CONFIG_FILE}: "database" must be ${messageOf(error)}`);
  }
}

/** What is under dual control, in one order whatever the file's is. */
export function controlledBy({ dual_control }: Pick<Config, "dual_control">): ControlledKind[] {
  return CONTROLLED_KINDS.filter((kind) => dual_control.includes(kind));
}

/** Reads the configuration of a data dir; without a file, all defaults. */
export function readConfig(dataDir: string): Config {
  let text: string;
  try {
    text = readFileSync(join(dataDir, CONFIG_FILE), "utf8");
  } catch (error) {
    // One that is there and cannot be read must not be taken for one that turns nothing on.
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return DEFAULT_CONFIG;
    throw new ConfigError(
      `${CONFIG_FILE} cannot be read (${code}): run this as the bank's own user, or mend the file`,
    );
  }
  return parseConfig(text);
}

/** Where a server listens. */
export type Listen = Pick<Config, "host" | "port">;

const EXAMPLE_ADDRESS =
  "postgres://transact_bank@db1:5432,db2:5432/bank?sslrootcert=/etc/ssl/db-ca.pem";

/** What `init` writes: every key with its default as a comment, so that a reader finds it. */
export function newConfigText({
  requireSignature,
  database,
  listen = DEFAULT_CONFIG,
  dualControl = [],
}: {
  readonly requireSignature: boolean;
  readonly database: string | null;
  readonly listen?: Listen;
  readonly dualControl?: readonly ControlledKind[];
}): string {
  const address = database ?? EXAMPLE_ADDRESS;
  const host = `${listen.host === DEFAULT_CONFIG.host ? "# " : ""}host = "${listen.host}"`;
  const port = `${listen.port === DEFAULT_CONFIG.port ? "# " : ""}port = ${listen.port}`;
  return `# transact-bank's configuration; read when "serve" starts; docs/configuration.md
# says what each key does.

# Where to listen. Off loopback it starts only with signatures, client certificates,
# or Basic over TLS.
${host}
${port}
# reserve_funds_path = "/reserveFunds"
# transact_result_path = "/transactResult"

# Several appliances on one PostgreSQL instead of the database in this folder (docs/scale.md); the
# password stands in keys/database.password.
${database === null ? "# " : ""}database = "${address}"

# How long a reserve may take before it answers 2060, in milliseconds.
# reserve_budget_ms = 1800

# "off", "if-set" (an account that has a PIN needs it) or "always".
# pin_policy = "if-set"
# pin_max_tries = 3

# ISO weekdays: 1 is Monday, 7 is Sunday.
# weekend = [6, 7]

# What takes effect only when somebody else approves it: any of "money", "limits", "pins", "secrets";
# and for how many days it may be approved.
${dualControl.length === 0 ? "# " : ""}dual_control = ${JSON.stringify(dualControl)}
# approval_days = 7

# Every request must carry a valid Signature; the secret is set with "secrets rotate".
require_signature = ${requireSignature}

# Serve off loopback although nobody is authenticated.
# allow_unauthenticated = false

# Only these peers may call; empty means every peer.
# allow_addresses = ["196.0.0.0/24"]

# Behind a proxy: whose X-Forwarded-For names the peer (docs/proxy.md).
# trusted_proxies = ["127.0.0.1", "::1"]

# Whoever reaches the server may read GET /openapi.json, which says how it is called.
# openapi = true

# "error", "warn", "info" or "debug", which has a line for each request; "text" or "json".
# log_level = "info"
# log_format = "text"

# Prometheus metrics on a port of their own, on loopback alone (docs/metrics.md).
# metrics_port = 9464

# HTTP Basic; the password is set with "secrets rotate --kind basic".
# basic_user = "clickatell"

# [tls]
# certificate = "/etc/ssl/bank.pem"
# key = "/etc/ssl/bank.key"
# client_ca = "/etc/ssl/clickatell-ca.pem"

# A backup is made by itself at these local times; [] is never. All of the last days that have any
# are kept, and the newest of each of the last weeks. A relative folder is in the data dir.
# [backup]
# folder = "backups"
# at = ["02:00"]
# keep_days = 7
# keep_weeks = 8
# Encrypt them to the age recipients in this file ("backup new-key" makes one).
# key_file = "/etc/transact-bank/backup.recipient"
`;
}
