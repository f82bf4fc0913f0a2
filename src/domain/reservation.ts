// A reservation: a hold on funds. reserved -> debited or released, and never back.
import type { Minor } from "./money.ts";

export const RESERVATION_STATES = ["reserved", "debited", "released"] as const;
export type ReservationState = (typeof RESERVATION_STATES)[number];

/** What the decisions about a reservation need to know of it. */
export type Reservation = {
  readonly id: number;
  readonly requestId: string;
  readonly reference: string;
  readonly state: ReservationState;
  readonly reserveAmount: Minor;
  readonly feeAmount: Minor;
  readonly clientShareAmount: Minor;
  readonly settlementAmount: Minor | null;
};
