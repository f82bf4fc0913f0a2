// Which acts fall under dual control, and what raises a limit.
import { describe, expect, test } from "bun:test";
import {
  approvalRefusal,
  type ControlledKind,
  controlledKinds,
  loosens,
  NO_LOGIN,
} from "../../src/domain/dual-control.ts";
import { type LimitFigures, NO_FIGURES } from "../../src/domain/limits.ts";
import { minor } from "../../src/domain/money.ts";

describe("an act falls under", () => {
  const rows: readonly [
    act: string,
    kind: string,
    detail: object | null,
    kinds: ControlledKind[],
  ][] = [
    ["accounts credit", "credit", null, ["money"]],
    ["accounts debit", "withdrawal", null, ["money"]],
    ["settlement pay", "settlement", null, ["money"]],
    ["reservations debit", "debit", null, ["money"]],
    ["reservations release", "act", null, ["money"]],
    ["reservations release", "correction", null, ["money"]],
    ["accounts add", "opening", { overdraftMinor: 0, buyers: [] }, ["money"]],
    ["accounts import", "opening", { overdraftMinor: 5, buyers: [] }, ["money", "limits"]],
    ["accounts add", "act", { overdraftMinor: 5, buyers: [] }, ["limits"]],
    ["accounts add", "act", { overdraftMinor: 0, buyers: [] }, []],
    ["accounts overdraft", "act", { beforeMinor: 0, afterMinor: 5 }, ["limits"]],
    ["accounts overdraft", "act", { beforeMinor: 5, afterMinor: 5 }, []],
    ["accounts overdraft", "act", { beforeMinor: 5, afterMinor: 0 }, []],
    ["limits set", "act", { loosens: true }, ["limits"]],
    ["limits set", "act", { loosens: false }, []],
    ["limits unset", "act", { loosens: true }, ["limits"]],
    ["accounts unlock-pin", "act", null, ["pins"]],
    ["accounts remove-pin", "act", null, ["pins"]],
    ["accounts set-pin", "act", { replaced: true }, ["pins"]],
    ["accounts set-pin", "act", null, []],
    ["secrets rotate", "act", null, ["secrets"]],
    ["secrets retire", "act", null, ["secrets"]],
    ["accounts status", "act", { before: "inactive", after: "active" }, []],
    ["accounts map", "act", { buyerId: "1", before: null }, []],
    ["sales pause", "act", null, []],
    ["approvals ask", "act", { approval: 1 }, []],
  ];
  for (const [act, kind, detail, kinds] of rows) {
    const facts = detail === null ? null : JSON.stringify(detail);
    test(`${act}, ${kind}, ${facts}: ${kinds.join(" and ") || "nothing"}`, () => {
      expect(controlledKinds({ act, kind, detail: facts })).toEqual(kinds);
    });
  }

  test("a detail that is no JSON says nothing", () => {
    expect(controlledKinds({ act: "limits set", kind: "act", detail: "{" })).toEqual([]);
    expect(controlledKinds({ act: "limits set", kind: "act", detail: "null" })).toEqual([]);
  });
});

describe("a limit is loosened", () => {
  const figures = (some: { [name: string]: number | null }): LimitFigures =>
    ({ ...NO_FIGURES, ...some }) as LimitFigures;
  type Some = { [name: string]: number | null };
  const rows: readonly [before: Some | null, changed: Some, wider: Some[], loosened: boolean][] = [
    [null, { max: 5 }, [], false],
    [{ max: 5 }, { max: 5 }, [], false],
    [{ max: 5 }, { max: 4 }, [], false],
    [{ max: 5 }, { max: 6 }, [], true],
    [{ max: 5 }, { max: null }, [], true],
    [{ max: null }, { max: null }, [], false],
    [null, { max: null }, [], false],
    // The more specific maximum goes before the wider one.
    [null, { max: 6 }, [{ max: 5 }], true],
    [null, { max: 5 }, [{ max: 5 }], false],
    [null, { max: 6 }, [{ max: null }, { max: 9 }], false],
    [null, { max: 6 }, [{ max: 9 }, { max: 5 }], true],
    [{ max: 9 }, { max: 6 }, [{ max: 5 }], false],
    // A lower minimum lets more through.
    [{ min: 5 }, { min: 6 }, [], false],
    [{ min: 5 }, { min: 4 }, [], true],
    [{ min: 5 }, { min: null }, [], true],
    [null, { min: 4 }, [{ min: 5 }], true],
    [null, { min: 6 }, [{ min: 5 }], false],
    // What an account may buy in a day holds in each scope.
    [null, { dayAmount: 9 }, [{ dayAmount: 5 }], false],
    [{ dayCount: 3 }, { dayCount: 4 }, [], true],
    [{ monthAmount: 3 }, { monthAmount: 2 }, [], false],
    [{ monthCount: 3 }, { monthCount: null }, [], true],
    [{ max: 5, dayCount: 3 }, { max: 4, dayCount: 4 }, [], true],
  ];
  for (const [before, changed, wider, loosened] of rows) {
    const [was, now, others] = [before, changed, wider].map((each) => JSON.stringify(each));
    test(`${was} to ${now} beside ${others}: ${loosened ? "yes" : "no"}`, () => {
      const own = before === null ? null : figures(before);
      expect(loosens(own, changed as Partial<LimitFigures>, wider.map(figures))).toBe(loosened);
    });
  }

  test("the figures are the limits' own", () => {
    expect(loosens({ max: minor(1) }, { max: minor(2) }, [])).toBe(true);
  });
});

describe("an approval", () => {
  const rows: readonly [asker: number, approver: number | null, says: string | null][] = [
    [1000, 1001, null],
    [1000, 0, null],
    [1000, 1000, "another login must"],
    [0, 0, "another login must"],
    [1000, null, NO_LOGIN],
  ];
  for (const [asker, approver, says] of rows) {
    test(`asked by ${asker}, approved by ${approver}`, () => {
      const refusal = approvalRefusal(asker, approver);
      if (says === null) expect(refusal).toBeNull();
      else expect(refusal).toContain(says);
    });
  }
});
