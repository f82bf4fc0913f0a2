// Text that others stored, made safe to look at, in a terminal as in a file somebody will open.

// Control characters, the two line separators, and what turns the writing direction around.
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose.
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]/gu;

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** One line of text that cannot move the cursor, colour the screen or reorder what stands there. */
export function clean(text: string): string {
  return text.replace(UNSAFE, escaped);
}

/** The same for a text of several lines. */
export function cleanLines(text: string): string {
  return text.replace(UNSAFE, (character) => (character === "\n" ? character : escaped(character)));
}

/** A path as one word that can be pasted into a shell. */
export const quoted = (path: string): string =>
  /^[\w./@:-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
