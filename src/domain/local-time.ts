// The bank's local days and months. Epoch milliseconds inside, ISO text only where people look.

/** A local calendar day, "2026-03-02". */
export type LocalDay = string;

/** 24 hours; a local day may be an hour shorter or longer. */
export const DAY_MS = 86_400_000;

/** The local day of an instant. */
export function localDay(epochMs: number, timeZone: string): LocalDay {
  return Temporal.Instant.fromEpochMilliseconds(epochMs)
    .toZonedDateTimeISO(timeZone)
    .toPlainDate()
    .toString();
}

/** The first instant of a local day: 00:00, or the first time that exists where clocks jump. */
export function startOfLocalDay(day: LocalDay, timeZone: string): number {
  return Temporal.PlainDate.from(day).toZonedDateTime(timeZone).epochMilliseconds;
}

/** The day after (or `days` after) a local day. */
export function addDays(day: LocalDay, days: number): LocalDay {
  return Temporal.PlainDate.from(day).add({ days }).toString();
}

/** The local month of a day, "2026-03". */
export function monthOf(day: LocalDay): string {
  return day.slice(0, 7);
}

/** An instant as people in the bank read it: "2026-03-02 14:05:09". */
export function localTimeText(epochMs: number, timeZone: string): string {
  return Temporal.Instant.fromEpochMilliseconds(epochMs)
    .toZonedDateTimeISO(timeZone)
    .toPlainDateTime()
    .toString({ smallestUnit: "second" })
    .replace("T", " ");
}

/** An instant as machines read it: "2026-03-02T12:05:09.123Z". */
export function isoTime(epochMs: number): string {
  return Temporal.Instant.fromEpochMilliseconds(epochMs).toString({ smallestUnit: "millisecond" });
}

/**
 * Reads a time that a person named.
 * Takes "2026-03-02" (its local 00:00), "2026-03-02T10:30" or with a blank (the bank's zone), or
 * a time with a zone ("...Z", "...+02:00"); gives epoch milliseconds, or null where it is none.
 */
export function parseTime(text: string, timeZone: string): number | null {
  const normal = text.trim().replace(" ", "T");
  // Temporal would read "...[Europe/Berlin]" and pass over the zone or calendar it names.
  if (normal.includes("[")) return null;
  try {
    if (/^\d{4}-\d{2}-\d{2}$/.test(normal)) return startOfLocalDay(normal, timeZone);
    if (/(Z|[+-]\d{2}:?\d{2})$/i.test(normal.slice(10))) {
      return Temporal.Instant.from(normal).epochMilliseconds;
    }
    return Temporal.PlainDateTime.from(normal).toZonedDateTime(timeZone).epochMilliseconds;
  } catch {
    return null;
  }
}

/** True where the runtime knows the IANA time zone. */
export function isTimeZone(text: string): boolean {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(text);
    return /^[A-Za-z]/.test(text);
  } catch {
    return false;
  }
}

/**
 * A `localDay` for one zone that remembers the last day's bounds: purchases come in order, so
 * almost none of them pays for a calendar computation.
 */
export function localDayFinder(timeZone: string): (epochMs: number) => LocalDay {
  let day = "";
  let from = 0;
  let until = 0;
  return (epochMs) => {
    if (epochMs < from || epochMs >= until) {
      day = localDay(epochMs, timeZone);
      from = startOfLocalDay(day, timeZone);
      until = startOfLocalDay(addDays(day, 1), timeZone);
    }
    return day;
  };
}
