// What the server's threads say to one another (threads.ts starts them and explains them).
import type { StoreOptions } from "../store.ts";
import type { Failure } from "../writer.ts";

// ---------------------------------------------------------------- the writer

export type WriterOptions = Pick<StoreOptions, "policy" | "pinKey"> & {
  readonly dataDir: string;
  /** Where it counts its commits, for the thread that flushes them. */
  readonly shared: Int32Array;
  /** Asks by any message for the last pass over the WAL, and is answered with a PassReply. */
  readonly copier: MessagePort;
};

// ---------------------------------------------------------------- the flusher

export type FlusherOptions = { readonly walFile: string; readonly shared: Int32Array };

/** Places in the shared memory: the writer's commits, counted around; 1 once it shall stop. */
export const COMMITS = 0;
export const STOP = 1;

/** The count up to which all is durable, or why a flush failed. */
export type FlusherReply = { readonly durable: number } | { readonly failure: string };

// ---------------------------------------------------------------- the copier

/** `writer` is asked for the last pass by any message, and answers with a PassReply. */
export type CopierOptions = { readonly dataDir: string; readonly writer: MessagePort };

/** The last pass is done, or why not; the WAL keeps everything, so it can be made later. */
export type PassReply = { readonly failure: Failure | null };
