// Starts a thread from one of the files that end in ".worker.ts".

/**
 * `name` is the file's, from this folder on, without its ending. In the compiled program a worker
 * stands at its place in the project, as JavaScript.
 */
export function startWorker(name: string): Worker {
  const isCompiled = import.meta.url.includes("/$bunfs/");
  const file = isCompiled ? `./src/storage/${name}.js` : `./${name}.ts`;
  return new Worker(new URL(file, import.meta.url));
}
