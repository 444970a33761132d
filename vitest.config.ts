import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

const slow = "test/**/*.slow.test.ts"
const report = process.env["SLUICE_TEST_REPORT"]

/** Files that take the longest, by what their paths contain: begun first, or they would be what everything waits for at the end. */
const long = [
  "campaign",
  "Torture",
  "fleet",
  "sim.test",
  "Secrets",
  "SqlStore",
  "HostGates",
  "Names",
  "Parts",
  "Limits",
  "Kill"
]

class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = long.findIndex((part) => moduleId.includes(part))
      return at < 0 ? long.length : at
    }
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}

export default defineConfig({
  resolve: {
    alias: [
      { find: /^sluice$/, replacement: fileURLToPath(new URL("src/index.ts", import.meta.url)) },
      {
        find: /^sluice\/testing$/,
        replacement: fileURLToPath(new URL("src/programs/testing.ts", import.meta.url))
      }
    ]
  },
  test: {
    // Processes, not threads: better-sqlite3 is a native addon, and tests send signals.
    pool: "forks",
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Files of one project share a process, so Effect is loaded once per worker. Said here: what a project says of it is ignored.
    poolOptions: { forks: { isolate: false } },
    // CI asks for a JSON report by this variable, and counts the tests in it.
    reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        // Pure functions and layers under TestClock.
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
          exclude: ["test/sim/**", "test/live/**", slow],
          setupFiles: ["test/QuickTestClock.ts"],
          // a bound on a hang, not on speed: a busy machine must not fail a test
          testTimeout: 60_000
        }
      },
      {
        // The engine in a simulated world: seeded, virtual time.
        extends: true,
        test: {
          name: "sim",
          include: ["test/sim/**/*.test.ts"],
          exclude: [slow],
          testTimeout: 60_000
        }
      },
      {
        // Real sockets, files and processes; after the CPU-bound projects, so that their load does not disturb it.
        extends: true,
        test: {
          name: "live",
          include: ["test/live/**/*.test.ts"],
          exclude: [slow],
          sequence: { groupOrder: 1 },
          testTimeout: 30_000,
          hookTimeout: 30_000
        }
      },
      {
        // Big files, long simulations.
        extends: true,
        test: {
          name: "slow",
          include: [slow],
          setupFiles: ["test/QuickTestClock.ts"],
          sequence: { groupOrder: 2 },
          testTimeout: 600_000,
          hookTimeout: 60_000
        }
      }
    ]
  }
})
