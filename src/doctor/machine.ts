// What doctor asks the system itself: the clock, time zones, the port.
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import type { Listen } from "../config.ts";
import { DAY_MS } from "../domain/local-time.ts";
import { fromLibc } from "../libc.ts";

export type ClockFacts = {
  /** Whether the kernel knows its clock as kept by a time service; null where it cannot be told. */
  readonly synchronised: boolean | null;
  /** The bank's time zone; null where it is not known, or the program has no such zone. */
  readonly zone: {
    readonly name: string;
    readonly offset: string;
    /** Where this machine's own data of time zones has another offset, now or in half a year. */
    readonly differs: boolean;
  } | null;
};

/** An address, and why the server could not listen there; null where it could. */
export type PortFacts = Listen & { readonly refused: string | null };

/** Of struct timex in <sys/timex.h>, where a long has 64 bits: its size with room, and a field. */
const TIMEX_BYTES = 256;
const TIMEX_STATUS = 40;
const STA_UNSYNC = 0x40;

/** What chrony, systemd-timesyncd and ntpd all tell the kernel. */
function isSynchronised(): boolean | null {
  const adjtimex = { args: ["ptr"], returns: "i32" } as const;
  const timex = new Uint8Array(TIMEX_BYTES);
  const state = fromLibc({ adjtimex })?.adjtimex(timex) ?? -1;
  return state < 0
    ? null
    : (new DataView(timex.buffer).getInt32(TIMEX_STATUS, true) & STA_UNSYNC) === 0;
}

const HALF_A_YEAR_MS = 182 * DAY_MS;

const offsetAt = (epochMs: number, zone: string) =>
  Temporal.Instant.fromEpochMilliseconds(epochMs).toZonedDateTimeISO(zone).offset;

/** The same from the system's own data, by date(1); null where it has none. */
function systemOffsetAt(epochMs: number, zone: string): string | null {
  // Without its file date(1) would take any name for UTC.
  try {
    readFileSync(`/usr/share/zoneinfo/${zone}`);
    const command = ["date", "-d", `@${Math.floor(epochMs / 1_000)}`, "+%:z"];
    const { stdout, exitCode } = Bun.spawnSync(command, { env: { TZ: zone } });
    return exitCode === 0 ? stdout.toString().trim() : null;
  } catch {
    return null;
  }
}

function zoneFacts(name: string): ClockFacts["zone"] {
  try {
    const now = Date.now();
    const differs = [now, now + HALF_A_YEAR_MS].some((at) => {
      const system = systemOffsetAt(at, name);
      return system !== null && system !== offsetAt(at, name);
    });
    return { name, offset: offsetAt(now, name), differs };
  } catch {
    return null;
  }
}

export function clockFacts(timeZone: string | null): ClockFacts {
  return {
    synchronised: isSynchronised(),
    zone: timeZone === null ? null : zoneFacts(timeZone),
  };
}

/** Listens where the server would, for a moment. */
export function tryPort({ host, port }: Listen): Promise<PortFacts> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) =>
      resolve({ host, port, refused: error.code ?? error.message }),
    );
    server.listen({ host, port }, () => server.close(() => resolve({ host, port, refused: null })));
  });
}
