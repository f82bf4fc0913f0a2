// Dual control, or four eyes: which of an operator's acts take effect only when another person
// approves them. An act is judged by what the journal says of it, where every act passes, so that
// no command can forget to ask, and an auditor can judge it again by the same rule.
import type { LimitFigures } from "./limits.ts";

/** What can be put under dual control, each by itself. */
export const CONTROLLED_KINDS = ["money", "limits", "pins", "secrets"] as const;
export type ControlledKind = (typeof CONTROLLED_KINDS)[number];

/** What the journal says of one operator's act: `kind` is "act" where no posting was made. */
export type OperatorRecord = {
  readonly kind: string;
  readonly act: string;
  readonly detail?: string | null | undefined;
};

type Detail = { readonly [fact: string]: unknown };

/** A detail that cannot be read is for the hash chain to find. */
function detailOf({ detail }: OperatorRecord): Detail {
  try {
    return Object(JSON.parse(detail ?? "{}")) as Detail;
  } catch {
    return {};
  }
}

const figure = (value: unknown): number => (typeof value === "number" ? value : 0);

/** A posting moves money; a release of what is held frees it. */
const movesMoney = ({ kind, act }: OperatorRecord): boolean =>
  kind !== "act" || act === "reservations release";

function raisesLimit({ act }: OperatorRecord, detail: Detail): boolean {
  switch (act) {
    case "limits set":
    case "limits unset":
      return detail["loosens"] === true;
    case "accounts overdraft":
      return figure(detail["afterMinor"]) > figure(detail["beforeMinor"]);
    default:
      // A new account, whose overdraft is part of it.
      return figure(detail["overdraftMinor"]) > 0;
  }
}

function clearsPin({ act }: OperatorRecord, detail: Detail): boolean {
  return (
    act === "accounts unlock-pin" ||
    act === "accounts remove-pin" ||
    // A first PIN clears nothing.
    (act === "accounts set-pin" && detail["replaced"] === true)
  );
}

/** The kinds under which an act falls; none for what one person may always do. */
export function controlledKinds(record: OperatorRecord): ControlledKind[] {
  const detail = detailOf(record);
  const falls: Record<ControlledKind, boolean> = {
    money: movesMoney(record),
    limits: raisesLimit(record, detail),
    pins: clearsPin(record, detail),
    secrets: record.act.startsWith("secrets "),
  };
  return CONTROLLED_KINDS.filter((kind) => falls[kind]);
}

const NOTHING_SET: Partial<LimitFigures> = {};

/**
 * True where a change of one scope's limits lets through what was declined before.
 * `changed` are the figures that are set anew, null where one is unset; `wider` are the limits of
 * the less specific scopes: a minimum and a maximum go before theirs, so that a first maximum over
 * one of theirs raises it. All other figures hold beside theirs, so that a first one only lowers.
 */
export function loosens(
  before: Partial<LimitFigures> | null,
  changed: Partial<LimitFigures>,
  wider: readonly LimitFigures[],
): boolean {
  const was = before ?? NOTHING_SET;
  return (Object.entries(changed) as [keyof LimitFigures, number | null][]).some(([name, now]) => {
    const own = was[name] ?? null;
    if (now === null) return own !== null;
    const isLooser = (than: number) => (name === "min" ? now < than : now > than);
    if (own !== null) return isLooser(own);
    if (name !== "min" && name !== "max") return false;
    return wider.some((limit) => {
      const theirs = limit[name];
      return theirs !== null && isLooser(theirs);
    });
  });
}

/** Why one person may not approve what another asked for, or null where they may. */
export function approvalRefusal(asker: number, approver: number | null): string | null {
  if (approver === null) return NO_LOGIN;
  if (asker === approver) return "whoever asked cannot approve: another login must";
  return null;
}

/** Said to whoever the system does not know by a login. */
export const NO_LOGIN =
  "nobody is logged in here as far as the system knows (/proc/self/loginuid is unset), and dual " +
  "control goes by who logged in: run it from a login session";
