// receipts: every request that was received, and what it was answered.
import type { Command } from "commander";
import { localTimeText } from "../src/domain/local-time.ts";
import { answerOf } from "../src/http/answered.ts";
import { answerText } from "../src/reports/timeline.ts";
import { receiptJson } from "../src/reports/views.ts";
import type { Bank, ReceiptView } from "../src/storage/store.ts";
import { facts, table } from "./output.ts";
import { registerPrune } from "./receipts-prune.ts";
import { command, found, group, readCount, withBank } from "./session.ts";

const NEWEST = 50;

function bodyText({ body, bodyLength, bodyDigest }: ReceiptView): string {
  if (body !== null) return body;
  if (bodyLength === null) return "not kept: it was turned away unread";
  return `not kept: it did not parse; ${bodyLength} bytes, digest ${bodyDigest ?? "none"}`;
}

function durationText(durationUs: number | null): string {
  return durationUs === null ? "not measured" : `${(durationUs / 1000).toFixed(1)} ms`;
}

/** The answer as it went out: its status, the headers that matter, the bytes of its body. */
function answerLines(receipt: ReceiptView): string[] {
  const answer = answerOf(receipt);
  if (answer === null) return ["none: the connection was closed"];
  const headers = Object.entries(answer.headers).map(([name, value]) => `${name}: ${value}`);
  const body = answer.body ?? "(no body)";
  return [`HTTP ${answer.status}`, ...headers, "", body.trimEnd()];
}

function receiptText(receipt: ReceiptView, bank: Bank): string {
  const about = facts([
    ["Receipt", receipt.id],
    ["Trace", receipt.traceId ?? "none"],
    ["Received", localTimeText(receipt.receivedAt, bank.timeZone)],
    ["From", receipt.peer],
    ["Signature", receipt.signature ?? "not checked"],
    ["Answered", `${answerText(receipt)}, after ${durationText(receipt.durationUs)}`],
    ["raasTxnRef", receipt.requestId ?? "none"],
    ["Our reference", receipt.reference ?? "none"],
    ...receipt.notes.map((text) => ["Note", text] as const),
    ...(receipt.suppressed === 0
      ? []
      : [["Alike before it", `${receipt.suppressed}, only counted`] as const]),
  ]);
  return [
    about,
    "",
    "Request, its secrets masked",
    `${receipt.method} ${receipt.path}`,
    "",
    bodyText(receipt),
    "",
    "Answer, as it was sent",
    ...answerLines(receipt),
  ].join("\n");
}

function receiptShownJson(receipt: ReceiptView) {
  return { ...receiptJson(receipt), answer: answerOf(receipt) };
}

function receiptsTable(receipts: readonly ReceiptView[], bank: Bank): string {
  if (receipts.length === 0) return "No receipts.";
  return table(
    [
      { title: "ID", align: "right" },
      { title: "Received" },
      { title: "From" },
      { title: "Request" },
      { title: "Answer" },
      { title: "raasTxnRef", whole: true },
    ],
    receipts.map((receipt) => [
      receipt.id,
      localTimeText(receipt.receivedAt, bank.timeZone),
      receipt.peer,
      `${receipt.method} ${receipt.path}`,
      answerText(receipt),
      receipt.requestId ?? "",
    ]),
  );
}

export function register(program: Command): void {
  const receipts = group(program, "receipts", "Every request received, and its answer");
  command(receipts, {
    form: "list",
    summary: "List the newest requests first, refused ones too",
    kind: "read",
    examples: ["receipts list", "receipts list --limit 200 --json"],
  })
    .option("--limit <n>", "at most so many", readCount, NEWEST)
    .action(
      withBank(({ store, bank }, _: [], { limit }: { limit: number }) => {
        const listed = store.receipts(limit);
        return { json: listed.map(receiptJson), text: () => receiptsTable(listed, bank) };
      }),
    );
  command(receipts, {
    form: "show <id>",
    summary: "Show one request, its secrets masked, and its answer as it was sent",
    kind: "read",
    examples: [
      "receipts show 118",
      "receipts show d7   # one that was turned away at the door",
      "receipts show mm8w2680-1   # by the X-Request-Id of its answer, which is in the log too",
    ],
  }).action(
    withBank(({ store, bank }, [id]: [string]) => {
      const receipt = found(store.receipt(id), `receipt ${id}`);
      return { json: receiptShownJson(receipt), text: () => receiptText(receipt, bank) };
    }),
  );
  registerPrune(receipts);
}
