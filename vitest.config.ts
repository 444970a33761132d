import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const slow = "test/**/*.slow.test.ts"
const report = process.env["SLUICE_TEST_REPORT"]

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
    // CI asks for a JSON report by this variable, and counts the tests in it.
    reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
    projects: [
      {
        // Pure functions and layers under TestClock; files share a process, so effect is loaded once per worker.
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
          exclude: ["test/sim/**", "test/live/**", slow],
          isolate: false,
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
          isolate: false,
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
        // Big files, long simulations; one file at a time.
        extends: true,
        test: {
          name: "slow",
          include: [slow],
          sequence: { groupOrder: 2 },
          poolOptions: { forks: { singleFork: true } },
          testTimeout: 600_000,
          hookTimeout: 60_000
        }
      }
    ]
  }
})
