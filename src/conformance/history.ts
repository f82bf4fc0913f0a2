// What must hold of a storm whatever happened to the bank meanwhile: by the caller's own history no
// Success is lost, and by the bank's books, where they are at hand, nothing was done twice and every
// hold and debit is one that the caller knows of.
import type { Books } from "./books.ts";
import type { Kit, Purchase } from "./kit.ts";

/** Each is a sentence of what is wrong; none where all is right. */
export type StormVerdict = {
  /** Seen from outside. */
  readonly history: readonly string[];
  /** Seen in the bank's books; null where they are not at hand. */
  readonly books: readonly string[] | null;
};

/** Call it when everything is cleaned up. */
export function judgeStorm(kit: Kit, books: Books | null): StormVerdict {
  const purchases = [...kit.purchases.values()];
  return {
    history: [...purchases.flatMap(lost), ...twice(purchases)],
    books:
      books === null
        ? null
        : [
            ...purchases.flatMap((purchase) => wrongInBooks(books, purchase)),
            ...balances(books, kit),
          ],
  };
}

/** A Success whose reservation the bank does not know any more. */
function lost({ requestId, reserve, end }: Purchase): string[] {
  const isLost = typeof reserve === "object" && end === "unmatched";
  return isLost ? [`${requestId} was answered Success, and its result 404: it is lost`] : [];
}

function twice(purchases: readonly Purchase[]): string[] {
  const byReference = Map.groupBy(purchases, ({ reserve }) =>
    typeof reserve === "object" ? reserve.reference : null,
  );
  return [...byReference].flatMap(([reference, alike]) =>
    reference === null || alike.length === 1
      ? []
      : [`${reference} was the answer to ${alike.map(({ requestId }) => requestId).join(", ")}`],
  );
}

function wrongInBooks({ store }: Books, { requestId, reserve, said, end }: Purchase): string[] {
  const found = store.reservation(requestId);
  const state = found?.state ?? "no reservation";
  const moved = store.journalOf(requestId).filter(({ entries }) => entries.length > 0).length;
  const isDebited = end === "taken" && said === "0000";
  const problems = [];
  if (moved !== (isDebited ? 1 : 0)) problems.push(`${requestId} has ${moved} postings`);
  if (typeof reserve === "object") {
    if (found !== null && found.reference !== reserve.reference)
      problems.push(`${requestId} has another reference than was answered`);
    const expected = isDebited ? "debited" : "released";
    if (state !== expected) problems.push(`${requestId} is ${state}, not ${expected}`);
  } else if (state === "reserved" || state === "debited") {
    problems.push(`${requestId} is ${state}, and was never answered Success`);
  }
  return problems;
}

function balances({ store, before }: Books, kit: Kit): string[] {
  const debited = kit.debited.reduce((sum, { amount }) => sum + amount, 0);
  let [held, gone] = [0, 0];
  for (const account of before) {
    const now = store.account(account.number);
    held += (now?.held ?? 0) - account.held;
    gone += account.ledgerBalance - (now?.ledgerBalance ?? 0);
  }
  const others = "(if nobody else bought from these accounts meanwhile)";
  return [
    ...(held === 0 ? [] : [`${held} minor units more are held ${others}`]),
    ...(gone === debited ? [] : [`${gone} minor units went, ${debited} were debited ${others}`]),
  ];
}
