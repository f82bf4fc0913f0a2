// Figures with their units, as people read them.

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** An amount of bytes: "75 GB", "7.3 kB". */
export function bytesText(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const amount = bytes / 1000 ** power;
  return `${amount.toFixed(amount < 10 && power > 0 ? 1 : 0)} ${UNITS[power]}`;
}
