// Starts a thread from one of the files that end in ".worker.ts".

/** Where the compiled program's files stand, in itself. */
const COMPILED_ROOT = "/$bunfs/root/";

/**
 * `name` is the file's, from this folder on, without its ending. In the compiled program a worker
 * stands at its place in the project, as JavaScript, whichever thread starts it.
 */
export function startWorker(name: string): Worker {
  const here = import.meta.url;
  const at = here.indexOf(COMPILED_ROOT);
  if (at === -1) return new Worker(new URL(`./${name}.ts`, here));
  const root = here.slice(0, at + COMPILED_ROOT.length);
  return new Worker(new URL(`${root}src/${name}.js`));
}
