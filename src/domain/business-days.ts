// When an unconfirmed reservation is due for the exception report (contract.md 4.9).
import { addDays, type LocalDay, localDay, startOfLocalDay } from "./local-time.ts";

/** Seven business days without a result make a reservation an exception (the guide, 2.1). */
export const DAYS_TO_CONFIRM = 7;

/** What the bank counts as no business day. Weekdays are ISO: 1 is Monday, 7 is Sunday. */
export type Calendar = {
  readonly timeZone: string;
  readonly weekend: ReadonlySet<number>;
  readonly holidays: ReadonlySet<LocalDay>;
};

export function isBusinessDay(day: LocalDay, calendar: Calendar): boolean {
  const weekday = Temporal.PlainDate.from(day).dayOfWeek;
  return !calendar.weekend.has(weekday) && !calendar.holidays.has(day);
}

/** The nth business day after a day; the day itself is day 0. */
export function businessDayAfter(day: LocalDay, count: number, calendar: Calendar): LocalDay {
  let current = day;
  for (let left = count; left > 0; ) {
    current = addDays(current, 1);
    if (isBusinessDay(current, calendar)) left -= 1;
  }
  return current;
}

/** The instant from which a reservation without a result is listed: the midnight ending day 7. */
export function listedFrom(confirmedAt: number, calendar: Calendar): number {
  const dayZero = localDay(confirmedAt, calendar.timeZone);
  const lastDay = businessDayAfter(dayZero, DAYS_TO_CONFIRM, calendar);
  return startOfLocalDay(addDays(lastDay, 1), calendar.timeZone);
}

/** What was confirmed before this instant, and has no result, is listed at `asOf`. */
export function listedBefore(asOf: number, calendar: Calendar): number {
  let day = localDay(asOf, calendar.timeZone);
  for (;;) {
    const midnight = startOfLocalDay(day, calendar.timeZone);
    const dayBefore = addDays(day, -1);
    if (listedFrom(startOfLocalDay(dayBefore, calendar.timeZone), calendar) <= asOf)
      return midnight;
    day = dayBefore;
  }
}

/** How many business days have begun after the day of `from`, up to the day of `to`. */
export function businessDaysBetween(from: number, to: number, calendar: Calendar): number {
  const lastDay = localDay(to, calendar.timeZone);
  let count = 0;
  for (let day = localDay(from, calendar.timeZone); day < lastDay; ) {
    day = addDays(day, 1);
    if (isBusinessDay(day, calendar)) count += 1;
  }
  return count;
}
