// A batch whose operations break alone: which one it was, and what is applied in its place.
import type { Operation, OperationOutcome } from "./store.ts";

/** An operation of a batch, or in its place why it is left out. */
export type ToApply = Operation | { readonly kind: "broken"; readonly error: unknown };

/** One operation of a batch broke alone. */
export class Broke extends Error {
  readonly index: number;
  constructor(index: number, cause: unknown) {
    super("an operation broke", { cause });
    this.index = index;
  }
}

/**
 * Applies operations in their order. Throws Broke with the place of one that breaks, or its error
 * itself where that `concernsAll`.
 */
export function applyEach(
  operations: readonly ToApply[],
  apply: (operation: Operation) => OperationOutcome,
  concernsAll: (error: unknown) => boolean = () => false,
): OperationOutcome[] {
  return operations.map((operation, index) => {
    if (operation.kind === "broken") return { kind: "failed", error: operation.error };
    try {
      return apply(operation);
    } catch (error) {
      throw concernsAll(error) ? error : new Broke(index, error);
    }
  });
}

/** What stands for an operation that broke: a reserve is declined, and stays so when it is repeated. */
export const inPlaceOf = (operation: ToApply | undefined, error: unknown): ToApply =>
  operation?.kind === "reserve" && operation.told === null
    ? { ...operation, told: "unknownError" }
    : { kind: "broken", error };
