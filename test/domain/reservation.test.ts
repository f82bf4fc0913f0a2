import { expect, test } from "bun:test";
import { RESERVATION_STATES } from "../../src/domain/reservation.ts";

test("a reservation is reserved, then debited or released", () => {
  expect([...RESERVATION_STATES]).toEqual(["reserved", "debited", "released"]);
});
