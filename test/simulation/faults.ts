// What goes wrong in the simulation, one fault at a time, each ending by itself or with the server.
import type { Chooser } from "../chooser.ts";
import type { Disk } from "./disk.ts";
import type { Server } from "./server.ts";
import type { SimulatedTime } from "./time.ts";
import type { Trace } from "./trace.ts";
import type { Weather } from "./weather.ts";

export type FaultOptions = {
  readonly choose: Chooser;
  readonly time: SimulatedTime;
  readonly trace: Trace;
  readonly weather: Weather;
  readonly disk: Disk;
  readonly server: Server;
};

const FAULTS = [
  "busy",
  "full",
  "slow flushes",
  "slow commits",
  "slow replies",
  "failed flush",
  "failed commit",
  "power cut",
  "cut amid a checkpoint",
  "checkpoint",
  "stall",
  "restart",
  "bad network",
  "slow and busy",
] as const;

export type Faults = ReturnType<typeof simulatedFaults>;

export function simulatedFaults({ choose, time, trace, weather, disk, server }: FaultOptions) {
  /** Each run has faults of its own, so that the rarer ones meet as well. */
  const chosen = FAULTS.filter(() => choose.chance(0.6));
  let isOver = false;

  function busy(): void {
    disk.lock();
    // It may be another one's lock that this ends, after a restart: no harm.
    time.after(choose.one([3, 40, 400, 2_500, 5_000]), disk.unlock);
  }

  /** The disk is bad for a while. */
  function spell(begin: () => void, ...lengths: number[]): void {
    begin();
    time.after(choose.one(lengths), weather.calmDisk);
  }

  function restart(): void {
    disk.unlock();
    weather.calmDisk();
    server.stop(() => {});
  }

  function networkFails(): void {
    weather.setNetwork([1, 300], choose.one([0.05, 0.2, 1]), 0.2);
    time.after(choose.between(500, 20_000), () => {
      if (!isOver) weather.setNetwork([1, 40], 0.01, 0.02);
    });
  }

  const begin: { readonly [fault in (typeof FAULTS)[number]]: () => void } = {
    busy,
    full: () => spell(weather.fillDisk, 50, 1_000, 6_000),
    "slow flushes": () => spell(() => weather.slowFlushes([200, 3_000]), 1_000, 8_000),
    "slow commits": () => spell(() => weather.slowCommits([100, 2_500]), 1_000, 8_000),
    "slow replies": () => weather.slowReplies([0, 30]),
    "failed flush": weather.failNextFlush,
    "failed commit": weather.failNextCommit,
    "power cut": server.crash,
    "cut amid a checkpoint": () => {
      weather.nextCrashAmidCheckpoint();
      server.crash();
    },
    checkpoint() {
      disk.store().finishWal();
      disk.durably([]);
    },
    stall: () => time.stall(choose.between(100, 6_000)),
    restart,
    "bad network": networkFails,
    // What was told 2060 cannot be undone at once, and is asked about meanwhile.
    "slow and busy": () => {
      spell(() => weather.slowFlushes([1_000, 3_000]), 3_000, 8_000);
      time.after(choose.between(100, 2_000), () => {
        if (disk.isOpen() && !disk.isLocked() && !isOver) busy();
      });
    },
  };

  return {
    /** One of this run's faults, where a server lives for it to happen to. */
    strike(): void {
      const fault = choose.one(chosen);
      if (fault === undefined || !server.isUp() || disk.isLocked()) return;
      trace.step(`fault: ${fault}`);
      begin[fault]();
    },

    /** From here on nothing goes wrong. */
    end(): void {
      isOver = true;
      disk.unlock();
      weather.calmDisk();
      weather.setNetwork([1, 20], 0, 0);
    },
  };
}
