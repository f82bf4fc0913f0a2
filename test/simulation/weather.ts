// What the disk and the network are like at a moment. Each run has faults of its own choice, so
// that one fault does not always hide another; the last phase of a run has none.
import { FlushFailed } from "../../src/storage/store.ts";
import type { Chooser } from "../chooser.ts";

type Span = readonly [least: number, most: number];

export type Weather = ReturnType<typeof newWeather>;

const CALM: Span = [0, 3];

const diskFull = () => Object.assign(new Error("disk is full"), { code: "SQLITE_FULL" });

export function newWeather(choose: Chooser) {
  let commit = CALM;
  let tell = CALM;
  let flush = CALM;
  let network: Span = [1, 40];
  let loss = 0;
  let twice = 0;
  let full = false;
  let failFlush = false;
  let failCommit = false;
  let amidCheckpoint = false;
  const within = ([least, most]: Span) => choose.between(least, most);

  return {
    commitMs: () => within(commit),
    tellMs: () => within(tell),
    flushMs: () => within(flush),
    networkMs: () =>
      loss > 0 && choose.chance(0.03) ? choose.between(500, 9_000) : within(network),
    isLost: () => loss > 0 && choose.chance(loss),
    comesTwice: () => twice > 0 && choose.chance(twice),

    /** Why the next commit is refused, or null. */
    commitRefusal(): Error | null {
      if (failCommit) return new FlushFailed("EIO within a commit");
      return full ? diskFull() : null;
    },
    flushFails: () => failFlush,
    crashAmidCheckpoint(): boolean {
      const was = amidCheckpoint;
      amidCheckpoint = false;
      return was;
    },

    setNetwork(span: Span, lost: number, twofold: number): void {
      network = span;
      loss = lost;
      twice = twofold;
    },
    slowCommits(span: Span): void {
      commit = span;
    },
    slowReplies(span: Span): void {
      tell = span;
    },
    slowFlushes(span: Span): void {
      flush = span;
    },
    fillDisk(): void {
      full = true;
    },
    failNextFlush(): void {
      failFlush = true;
    },
    failNextCommit(): void {
      failCommit = true;
    },
    nextCrashAmidCheckpoint(): void {
      amidCheckpoint = true;
    },

    /** The disk is well again; the network stays as it is. */
    calmDisk(): void {
      commit = CALM;
      tell = CALM;
      flush = CALM;
      full = false;
      failFlush = false;
      failCommit = false;
      amidCheckpoint = false;
    },
  };
}
