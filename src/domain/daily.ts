// What is done each day at local times, such as a backup.
import { addDays, localDay } from "./local-time.ts";

/**
 * The last instant at or before `now` that the times ("02:00") name in the bank's time zone; null
 * where there are none. A time that a change of clocks skips is the one after the gap.
 */
export function lastDue(now: number, times: readonly string[], timeZone: string): number | null {
  const today = localDay(now, timeZone);
  const due = [addDays(today, -1), today].flatMap((day) =>
    times.map(
      (time) =>
        Temporal.PlainDateTime.from(`${day}T${time}`).toZonedDateTime(timeZone).epochMilliseconds,
    ),
  );
  const past = due.filter((at) => at <= now);
  return past.length === 0 ? null : Math.max(...past);
}
