// secrets: what is shared with Clickatell. They are read from a file, a pipe or a hidden prompt,
// stand in keys/, and are never printed.
import * as clack from "@clack/prompts";
import { type Command, Option } from "commander";
import { isoTime, localTimeText } from "../src/domain/local-time.ts";
import {
  readSecret,
  type SecretPair,
  SHARED_SECRETS,
  type SharedSecret,
  withoutTrailingNewline,
  writeSecret,
} from "../src/keys.ts";
import { retired, rotated, rotateRefusal } from "../src/secrets.ts";
import { perform } from "./control.ts";
import { Failure } from "./failure.ts";
import { readSecretFile } from "./input.ts";
import { facts } from "./output.ts";
import { canAsk } from "./prompt.ts";
import { registerExport, registerImport } from "./secrets-move.ts";
import { command, group, type Session, withBank } from "./session.ts";

type KindOption = { readonly kind: SharedSecret };

const kindOption = () =>
  new Option("--kind <kind>", "which secret: what signs the bodies, or HTTP Basic's password")
    .choices(SHARED_SECRETS)
    .default("signature");

async function newSecret(session: Session, file: string | undefined): Promise<string> {
  if (file !== undefined) return readSecretFile(file, "--secret-file");
  if (canAsk(session)) {
    const secret = await clack.password({
      message: "The new secret (not shown)",
      validate: (text) => (text ? undefined : "It must not be empty"),
    });
    if (clack.isCancel(secret)) throw new Failure("failed", "cancelled: nothing was changed");
    return secret;
  }
  if (process.stdin.isTTY === true) throw new Failure("usage", "--secret-file is missing");
  const secret = withoutTrailingNewline(await Bun.stdin.text());
  if (secret === "") {
    throw new Failure("usage", "standard input holds no secret: pipe it in, or use --secret-file");
  }
  return secret;
}

function refuseRotation(before: SecretPair | null, secret: string | null): void {
  const why = rotateRefusal(before, secret);
  if (why !== null) throw new Failure("refused", why);
}

function registerRotate(secrets: Command): void {
  command(secrets, {
    form: "rotate",
    summary: "Set a new secret; the one before stays valid beside it until it is retired",
    kind: "write",
    examples: [
      "secrets rotate --secret-file ./new-secret",
      "secrets rotate --kind basic < ./new-password",
    ],
  })
    .addOption(kindOption())
    .option("--secret-file <file>", "holds the new secret; else standard input or a hidden prompt")
    .action(
      withBank<[], KindOption & { secretFile?: string }>(
        async (session, _, { kind, secretFile }) => {
          const { dataDir, dryRun } = session;
          const before = readSecret(dataDir, kind);
          // Before it is asked for.
          refuseRotation(before, null);
          const secret = await newSecret(session, secretFile);
          refuseRotation(before, secret);
          const args = { kind, rotatedAt: before?.rotatedAt ?? null };
          return perform(session, { act: "secrets rotate", args, sealed: { secret } }, () => {
            if (!dryRun) writeSecret(dataDir, kind, rotated(before, secret));
            const next =
              before === null
                ? "It is in force from the next request on."
                : "Both are valid now; when Clickatell signs with the new one: secrets retire";
            return { json: { kind, previousStillValid: before !== null }, text: () => next };
          });
        },
      ),
    );
}

function registerRetire(secrets: Command): void {
  command(secrets, {
    form: "retire",
    summary: "Take the secret before the last rotation out of force",
    kind: "write",
    examples: ["secrets retire", "secrets retire --kind basic"],
  })
    .addOption(kindOption())
    .action(
      withBank<[], KindOption>((session, _, { kind }) => {
        const { dataDir, dryRun } = session;
        const pair = readSecret(dataDir, kind);
        if (pair?.previous == null) {
          throw new Failure("notFound", `no former ${kind} secret is in force`);
        }
        const args = { kind, rotatedAt: pair.rotatedAt };
        return perform(session, { act: "secrets retire", args }, () => {
          if (!dryRun) writeSecret(dataDir, kind, retired(pair));
          return { json: { kind }, text: () => "Only the newest secret is valid now." };
        });
      }),
    );
}

function registerList(secrets: Command): void {
  command(secrets, {
    form: "list",
    summary: "Show which secrets are set, and since when; never the secrets",
    kind: "read",
    examples: ["secrets list"],
  }).action(
    withBank(({ dataDir, bank }) => {
      const rows = SHARED_SECRETS.map((kind) => ({ kind, pair: readSecret(dataDir, kind) }));
      return {
        json: rows.map(({ kind, pair }) => ({
          kind,
          set: pair !== null,
          rotatedAt: pair === null ? null : isoTime(pair.rotatedAt),
          previousStillValid: pair !== null && pair.previous !== null,
        })),
        text: () =>
          facts(
            rows.map(({ kind, pair }) => [
              kind,
              pair === null
                ? "not set"
                : `set ${localTimeText(pair.rotatedAt, bank.timeZone)}` +
                  (pair.previous === null ? "" : ", the one before is still valid"),
            ]),
          ),
      };
    }),
  );
}

export function register(program: Command): void {
  const secrets = group(program, "secrets", "The secrets shared with Clickatell");
  secrets.addHelpText(
    "after",
    `
They are files of this appliance. Where several share a PostgreSQL, what is rotated or retired
on one comes to the others by secrets export there and secrets import on each.`,
  );
  registerRotate(secrets);
  registerRetire(secrets);
  registerList(secrets);
  registerExport(secrets);
  registerImport(secrets);
}
