#!/usr/bin/env bun
// Takes the three machines away. `--all` also takes the fresh Debian that the next `up` would use.
import { takeAway, takeBaseAway } from "./machines.ts";

await takeAway();
if (process.argv.includes("--all")) takeBaseAway();
