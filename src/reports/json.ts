// A document as JSON.stringify indents it by two, in parts: rows that are read page by page become
// an array that is never in memory as a whole.

const isRows = (value: unknown): value is Iterable<unknown> =>
  typeof value === "object" && value !== null && Symbol.iterator in value && !Array.isArray(value);

/** The parts of a value, which is rows, or an object that has some, or anything else. */
export function* jsonParts(value: unknown, indent = ""): Iterable<string> {
  if (isRows(value)) yield* arrayParts(value, indent);
  else if (hasRows(value)) yield* objectParts(value, indent);
  else yield JSON.stringify(value, null, 2).replaceAll("\n", `\n${indent}`);
}

function hasRows(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.values(value).some(isRows);
}

function* arrayParts(rows: Iterable<unknown>, indent: string): Iterable<string> {
  let before = "[";
  for (const row of rows) {
    yield `${before}\n${indent}  `;
    yield* jsonParts(row, `${indent}  `);
    before = ",";
  }
  yield before === "[" ? "[]" : `\n${indent}]`;
}

function* objectParts(value: object, indent: string): Iterable<string> {
  let before = "{";
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue;
    yield `${before}\n${indent}  ${JSON.stringify(key)}: `;
    yield* jsonParts(member, `${indent}  `);
    before = ",";
  }
  yield `\n${indent}}`;
}
