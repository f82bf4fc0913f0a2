// Deliberate bugs, each of which breaks one promise. Simulation and tests must notice every one.

export type Mutant = {
  readonly name: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly text: string;
  readonly replacement: string;
  /** The promise that it breaks. */
  readonly breaks: string;
  /** Test files that must notice it where the simulation does not. */
  readonly tests: readonly string[];
};

const ENGINE = "src/engine/engine.ts";
const PURCHASES = "src/storage/purchases.ts";
const RESERVE = "src/domain/reserve.ts";
const RESULT = "src/domain/result.ts";
const ENGINE_TESTS = ["test/engine/time.test.ts", "test/engine/trouble.test.ts"];
const STORE_TESTS = ["test/storage/served.test.ts", "test/storage/model.test.ts"];

export const MUTANTS: readonly Mutant[] = [
  {
    name: "hold-without-check",
    file: RESERVE,
    text: 'if (request.reserveAmount > available(account)) return declined("insufficientFunds", pin.write);',
    replacement: "",
    breaks: "no reserve takes more than there is",
    tests: ["test/domain/reserve.test.ts"],
  },
  {
    name: "held-is-available",
    file: "src/domain/account.ts",
    text: "balances.ledgerBalance - balances.held + balances.overdraft",
    replacement: "balances.ledgerBalance + balances.overdraft",
    breaks: "what is held cannot be reserved again",
    tests: ["test/domain/account.test.ts"],
  },
  {
    name: "answer-before-flush",
    file: ENGINE,
    text: "    unflushed.push(...batch);\n    startFlush();",
    replacement:
      "    for (const one of batch) if (one.outcome !== null) answer(one, one.outcome);\n" +
      "    unflushed.push(...batch);\n    startFlush();",
    breaks: "what is answered is on the disk",
    tests: ENGINE_TESTS,
  },
  {
    name: "repeat-before-flush",
    file: ENGINE,
    text: "    if (isUnsettled(request.requestId)) return null;\n",
    replacement: "",
    breaks: "a late repeat is told only what is on the disk",
    tests: ["test/engine/repeats-in-time.test.ts", ...ENGINE_TESTS],
  },
  {
    name: "no-tombstone",
    file: PURCHASES,
    text: "rows.addTombstone(requestId, at);",
    replacement: "",
    breaks: "a reserve whose failed result overtook it holds nothing",
    tests: STORE_TESTS,
  },
  {
    name: "tombstone-unseen",
    file: RESERVE,
    text: 'if (snapshot.tombstoned) return declined("timeOut");',
    replacement: "",
    breaks: "a reserve whose failed result overtook it is answered 2060",
    tests: ["test/domain/reserve.test.ts"],
  },
  {
    name: "decline-decided-again",
    file: PURCHASES,
    text: "if (first !== null) return repeat(remembered(first), request, now);",
    replacement:
      'if (first?.responseCode === "0000") return repeat(remembered(first), request, now);',
    breaks: "a decline stays a decline",
    tests: STORE_TESTS,
  },
  {
    name: "repeat-counts-the-pin",
    file: PURCHASES,
    text: "if (first !== null) return repeat(remembered(first), request, now);",
    replacement:
      "const tried = found.account;\n" +
      '    if (first !== null && tried !== null && attemptOf(tried, operation.authCode) === "wrong") ' +
      "applyPin(tried.id, { failures: tried.pin_failures + 1, locked: false });\n" +
      "    if (first !== null) return repeat(remembered(first), request, now);",
    breaks: "a repeat evaluates no PIN",
    tests: STORE_TESTS,
  },
  {
    name: "pin-count-lost",
    file: PURCHASES,
    text: "if (found.account !== null) applyPin(",
    replacement: 'if (found.account !== null && decision.kind === "reserved") applyPin(',
    breaks: "a wrong PIN is counted",
    tests: STORE_TESTS,
  },
  {
    name: "pin-locks-late",
    file: "src/domain/pin.ts",
    text: "failures >= policy.pinMaxTries",
    replacement: "failures > policy.pinMaxTries",
    breaks: "the third wrong PIN locks",
    tests: ["test/domain/pin.test.ts"],
  },
  {
    name: "double-release",
    file: RESULT,
    text: 'if (reservation.state !== "reserved") {',
    replacement: 'if (reservation.state === "debited") {',
    breaks: "a reservation ends once",
    tests: ["test/domain/result.test.ts"],
  },
  {
    name: "release-keeps-the-counters",
    file: PURCHASES,
    text: "givenBack(rows.usageOf(accountId), key, reserveAmount)",
    replacement: "(void key, rows.usageOf(accountId))",
    breaks: "a release gives back to the limits",
    tests: STORE_TESTS,
  },
  {
    name: "given-back-to-another-day",
    file: PURCHASES,
    text: "const key = { day: reservation.localDay, ...reservation };",
    replacement:
      "const key = { day: new Date(how.now + 86_400_000).toISOString().slice(0, 10), ...reservation };",
    breaks: "a release gives back to the day that counted it",
    tests: STORE_TESTS,
  },
  {
    name: "day-of-another-zone",
    file: PURCHASES,
    text: "localDayFinder(bank.timeZone)",
    replacement: 'localDayFinder("UTC")',
    breaks: "limits go by the bank's local day",
    tests: STORE_TESTS,
  },
  {
    name: "limit-off-by-one",
    file: "src/domain/limits.ts",
    text: "used + more <= most",
    replacement: "used + more < most",
    breaks: "a limit can be used up",
    tests: ["test/domain/limits.test.ts"],
  },
  {
    name: "month-not-counted",
    file: "src/storage/usage.ts",
    text: "  for (const period of [monthOf(key.day), key.day]) {\n    const scopes",
    replacement: "  for (const period of [key.day]) {\n    const scopes",
    breaks: "the month's limits count every day",
    tests: STORE_TESTS,
  },
  {
    name: "rules-kept-for-ever",
    file: "src/storage/sqlite/rules.ts",
    text: "if (data_version !== version) known = null;",
    replacement: "",
    breaks: "an admin's change is in force for the next request",
    tests: STORE_TESTS,
  },
  {
    name: "2060-not-undone",
    file: ENGINE,
    text: "    answer(pending, timeOut(pending.outcome));\n    undo(pending);",
    replacement: "    answer(pending, timeOut(pending.outcome));",
    breaks: "what was told 2060 while it was flushed is undone",
    tests: ENGINE_TESTS,
  },
  {
    name: "2060-in-commit-not-undone",
    file: ENGINE,
    text: "if (pending.overtaken || isLateRepeat) undo(pending);",
    replacement: "",
    breaks: "what was told 2060 while it was committed is undone",
    tests: ["test/engine/applying.test.ts", ...ENGINE_TESTS],
  },
  {
    name: "2060-undone-last",
    file: ENGINE,
    text: "[...first, ...queue.slice(0, LARGEST_BATCH - first.length)]",
    replacement: "[...queue.slice(0, LARGEST_BATCH - first.length), ...first]",
    breaks: "what was told 2060 is undone before any other decision",
    tests: ENGINE_TESTS,
  },
  {
    name: "success-after-2060",
    file: ENGINE,
    text: "if (pending.settle !== null && (isLate || expiring.has(requestId))) expireReserve(pending);",
    replacement: "if (pending.settle !== null && isLate) expireReserve(pending);",
    breaks: "once somebody was told 2060 nobody is told Success",
    tests: ["test/engine/repeats-in-time.test.ts"],
  },
  {
    name: "decided-after-2060",
    file: ENGINE,
    text:
      "      if (!isReserve(pending) || !expiring.has(pending.operation.request.requestId)) continue;\n" +
      '      pending.operation = { ...pending.operation, told: "timeOut" };',
    replacement: "",
    breaks: "what was told 2060 before its commit is never decided",
    tests: ["test/engine/repeats-in-time.test.ts"],
  },
  {
    name: "success-after-release",
    file: RESERVE,
    text: 'const gone = first.outcome === "success" && first.state === "released";',
    replacement: "const gone = false;",
    breaks: "Success is never said where nothing is held or debited",
    tests: ["test/domain/reserve.test.ts"],
  },
  {
    name: "conflict-as-repeat",
    file: RESERVE,
    text: "if (differing.length > 0) {",
    replacement: "if (differing.length > 9) {",
    breaks: "other content is answered 2090 and is a finding",
    tests: ["test/domain/reserve.test.ts"],
  },
  {
    name: "spelling-as-content",
    file: PURCHASES,
    text: "const request = { ...operation.request, buyerId: found.buyerId };",
    replacement: "const request = operation.request;",
    breaks: "a buyer is the same in every spelling",
    tests: STORE_TESTS,
  },
  {
    name: "amount-of-the-result",
    file: PURCHASES,
    text: "        endReservation({ rows, journal }, reservation, decision.move, how);",
    replacement:
      "        const { reserveAmount } = operation.request;\n" +
      "        const changed = { ...reservation, reserveAmount: reserveAmount ?? reservation.reserveAmount };\n" +
      "        endReservation({ rows, journal }, changed, decision.move, how);",
    breaks: "a result acts on the reservation's own amounts",
    tests: STORE_TESTS,
  },
  {
    name: "wrong-pair-accepted",
    file: RESULT,
    text: "match.byRequestId !== null && match.byRequestId.id === match.byReference?.id",
    replacement: "match.byRequestId !== null",
    breaks: "two references must name the same reservation",
    tests: ["test/domain/result.test.ts"],
  },
  {
    name: "contradiction-moves-money",
    file: RESULT,
    text: 'return { answer: "accepted", reservation, move: null, findings };',
    replacement:
      'return { answer: "accepted", reservation, move: contradicts ? "release" : null, findings };',
    breaks: "a contradiction moves no money",
    tests: ["test/domain/result.test.ts"],
  },
  {
    name: "unknown-outcome-debited",
    file: RESULT,
    text: 'move: dispensed ? "debit" : "release", findings',
    replacement:
      'move: dispensed || SUPPLIER_UNKNOWN.has(request.resultCode) ? "debit" : "release", findings',
    breaks: "an outcome that nobody knows is released",
    tests: ["test/domain/result.test.ts"],
  },
  {
    name: "503-result-lost",
    file: ENGINE,
    text: 'else if (pending.stage === "queued") recordLate(pending);',
    replacement:
      'else if (pending.stage === "queued") queue = queue.filter((other) => other !== pending);',
    breaks: "a result that was told 503 takes effect all the same",
    tests: ENGINE_TESTS,
  },
  {
    name: "refused-batch-lost",
    file: ENGINE,
    text: "queue = [...givenBack.filter((pending) => !isOurs(pending)), ...queue];",
    replacement: "",
    breaks: "a batch that could not be committed is tried again",
    tests: ENGINE_TESTS,
  },
  {
    name: "open-since-now",
    file: ENGINE,
    text: "let since = oldest?.receivedAt ?? now;",
    replacement: "let since = now + 0 * (oldest?.receivedAt ?? 0);",
    breaks: "what a crash leaves in doubt can be found",
    tests: ENGINE_TESTS,
  },
  {
    name: "interrupted-not-named",
    file: PURCHASES,
    text: "rows.stillReserved(since, until)",
    replacement: "rows.stillReserved(until, since - 1)",
    breaks: "what a crash left in doubt becomes a finding",
    tests: STORE_TESTS,
  },
  {
    name: "finding-stays-open",
    file: "src/storage/sql/admin.ts",
    text: "      closeSettled.run(options.now(), journalId, reservation.requestId);\n",
    replacement: "",
    breaks: "settling by hand closes the finding",
    tests: ["test/storage/admin.test.ts"],
  },
  {
    name: "wrong-signature-accepted",
    file: "src/http/app.ts",
    text: 'if (signature === "missing" || signature === "wrong") {',
    replacement: 'if (signature === "missing") {',
    breaks: "a wrong signature is answered 401",
    tests: ["test/http/authentication.test.ts"],
  },
  {
    name: "token-kept",
    file: "src/http/receipts.ts",
    text: '"authcode", "token", "pin"',
    replacement: '"authcode", "pin"',
    breaks: "no receipt keeps a secret",
    tests: ["test/http/receipts.test.ts"],
  },
  {
    name: "2060-before-its-time",
    file: ENGINE,
    text: "const deadlineMs = receipt.startedAtMs + reserveBudgetMs;\n      const outcome",
    replacement:
      "const deadlineMs = receipt.startedAtMs + reserveBudgetMs / 2;\n      const outcome",
    breaks: "a reserve has its whole budget",
    tests: ENGINE_TESTS,
  },
  {
    name: "receipt-of-a-late-repeat",
    file: ENGINE,
    text: "      pending.toldEarlier = repeat.outcome;\n",
    replacement: "",
    breaks: "a receipt says what was answered",
    tests: ["test/engine/repeats-in-time.test.ts"],
  },
  {
    name: "answer-after-failed-flush",
    file: ENGINE,
    text: "    if (failed) return;\n    const nowMs",
    replacement: "    const nowMs",
    breaks: "after a failed flush nobody is answered",
    tests: ["test/engine/trouble.test.ts"],
  },
  {
    name: "flush-after-a-failed-commit",
    file: ENGINE,
    text: "        if (failed) return;\n        flushing = false;",
    replacement: "        flushing = false;",
    breaks: "after a failed flush one that succeeds proves nothing",
    tests: ["test/engine/trouble.test.ts"],
  },
];
