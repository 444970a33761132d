/**
 * The SQLite connections of simulated processes: known by who opened them, so that a death closes them (what was not
 * committed is rolled back, as the system would see to), and so that a transaction is seen.
 *
 * All processes live in one real thread, which a lock of SQLite would block for good; so a process that finds another in a
 * transaction waits until that has ended, by not being run (`Simulator.alone`).
 */
import Sqlite from "better-sqlite3"
import type { Database } from "better-sqlite3"

/** Told of each connection by the first pragma it is given, which every client of ours begins with. */
let opened: ((connection: Database) => void) | undefined

const { pragma } = Sqlite.prototype
Sqlite.prototype.pragma = function (this: Database, ...args: Parameters<Database["pragma"]>) {
  opened?.(this)
  return pragma.apply(this, args)
}

export class Connections {
  private readonly byProcess = new Map<number, Set<Database>>()

  /** Listens while the effectful part runs. */
  during<A>(current: () => number, run: () => A): A {
    const before = opened
    opened = (connection) => {
      const process = current()
      const known = this.byProcess.get(process)
      if (known === undefined) this.byProcess.set(process, new Set([connection]))
      else known.add(connection)
    }
    try {
      return run()
    } finally {
      opened = before
    }
  }

  /** Whether a process is inside a transaction. */
  isBusy(process: number): boolean {
    for (const connection of this.byProcess.get(process) ?? []) {
      if (connection.open && connection.inTransaction) return true
    }
    return false
  }

  /** The process is gone: what it had not committed never was. */
  close(process: number): void {
    for (const connection of this.byProcess.get(process) ?? []) connection.close()
    this.byProcess.delete(process)
  }
}
