// What the tests of the store, which run on both engines, say to each in its own words.
import { postgresEngine } from "../postgres/engine.ts";

export const onPostgres = postgresEngine() !== null;

/** A hash that is none of any record. */
export const ZEROS = onPostgres ? "decode(repeat('00', 32), 'hex')" : "zeroblob(32)";

type Path = readonly (string | number)[];

const placeIn = (path: Path): string =>
  onPostgres
    ? `'{${path.map((step) => `"${step}"`).join(",")}}'`
    : `'$${path.map((step) => (typeof step === "number" ? `[${step}]` : `."${step}"`)).join("")}'`;

/** A column's JSON text with another value at a place. */
export const jsonWith = (column: string, path: Path, value: string | number): string =>
  onPostgres
    ? `CAST(jsonb_set(CAST(${column} AS JSONB), ${placeIn(path)}, '${JSON.stringify(value)}') AS TEXT)`
    : `json_set(${column}, ${placeIn(path)}, json('${JSON.stringify(value)}'))`;

/** A column's JSON text without what is at a place. */
export const jsonWithout = (column: string, path: Path): string =>
  onPostgres
    ? `CAST(CAST(${column} AS JSONB) #- ${placeIn(path)} AS TEXT)`
    : `json_remove(${column}, ${placeIn(path)})`;
