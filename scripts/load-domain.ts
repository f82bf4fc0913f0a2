// Loaded before the tests when their coverage is measured: it imports every file of src/domain, so
// that a file no test imports counts as uncovered instead of being left out of the report.

import { Glob } from "bun";

const root = `${import.meta.dir}/..`;

for (const name of new Glob("src/domain/**/*.ts").scanSync(root)) await import(`${root}/${name}`);
