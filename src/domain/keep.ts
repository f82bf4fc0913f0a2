// Which backups are kept: all of the last days that have any, and the newest of each of the last weeks.
import { type LocalDay, localDay } from "./local-time.ts";

export type KeepRule = { readonly keepDays: number; readonly keepWeeks: number };

/** The Monday of a day's week, which names the week. */
function weekOf(day: LocalDay): LocalDay {
  const date = Temporal.PlainDate.from(day);
  return date.subtract({ days: date.dayOfWeek - 1 }).toString();
}

/**
 * The instants of backups that the rule no longer keeps, of all there are. Days and weeks are the
 * bank's, and those without a backup do not count: neither a wrong clock nor a long pause leaves
 * fewer than the rule says, and the newest is always kept.
 */
export function expired(
  backups: readonly number[],
  { keepDays, keepWeeks }: KeepRule,
  timeZone: string,
): number[] {
  const days = new Set<LocalDay>();
  const weeks = new Set<LocalDay>();
  return [...backups]
    .sort((a, b) => b - a)
    .filter((at) => {
      const day = localDay(at, timeZone);
      const isNewestOfWeek = !weeks.has(weekOf(day));
      days.add(day);
      weeks.add(weekOf(day));
      return days.size > Math.max(1, keepDays) && !(isNewestOfWeek && weeks.size <= keepWeeks);
    });
}
