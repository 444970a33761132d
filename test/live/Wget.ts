/**
 * Whether wget is there to be tried. Where it is not, tests of it are skipped, and say so.
 */
import { spawnSync } from "node:child_process"

export const isThere =
  spawnSync("wget", ["--version"], { encoding: "utf8" }).stdout?.startsWith("GNU Wget 1.") === true
