// What the thread that speaks with PostgreSQL and whoever waits for it say to one another.
import type { Value } from "../sql/sql.ts";
import type { StoreOptions } from "../store.ts";
import type { Address } from "./address.ts";

/** One statement as PostgreSQL takes it, with its values by place. */
export type Query = {
  readonly text: string;
  readonly values: readonly Value[];
  /** Rows as lists instead of objects. */
  readonly lists?: boolean;
};

export type Rows = {
  readonly rows: readonly unknown[];
  readonly command: string;
  /** How many rows it read or changed. */
  readonly count: number;
};

/** An error as it passes from one thread to another. */
export type Failure = {
  /** "lost": the connection ended, and what was sent may or may not have been done. */
  readonly kind: "lost" | "server";
  /** SQLSTATE; "" where it is none of the server's. */
  readonly state: string;
  readonly message: string;
  readonly constraint: string | null;
};

/** One for each statement, in their order: none after one that failed is done. */
export type Reply = { readonly done: readonly Rows[] } | { readonly failure: Failure };

export type Request =
  | { readonly connect: Address; readonly password: string | null; readonly name: string }
  | { readonly queries: readonly Query[] };

export type ClientOptions = {
  /** Counts the replies; whoever waits sleeps on it. */
  readonly replies: Int32Array;
  readonly port: MessagePort;
};

// ---------------------------------------------------------------- the server's writing thread

export type WriterOptions = Pick<StoreOptions, "policy" | "pinKey"> & {
  readonly database: { readonly address: Address; readonly password: string | null };
  readonly name: string;
};
