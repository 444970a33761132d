/**
 * The store over SQL: the actor that writes (StoreActor), the jobs it can be given, and the reads beside it, as one service.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Download } from "../domain/Download.js"
import type { DownloadId } from "../domain/DownloadId.js"
import type { Message } from "../domain/Message.js"
import type { StoreError } from "../domain/StoreError.js"
import { EngineLife } from "../services/EngineLife.js"
import { EngineOptions } from "../services/EngineOptions.js"
import { Outbox } from "../services/Outbox.js"
import { type Claims, type Shape, Store } from "../services/Store.js"
import * as Admission from "./Admission.js"
import { Database } from "./Database.js"
import * as SqlRow from "./SqlRow.js"
import * as StoreActor from "./StoreActor.js"
import * as StoreCommands from "./StoreCommands.js"
import * as StoreConsumers from "./StoreConsumers.js"
import * as StoreEnqueue from "./StoreEnqueue.js"
import * as HostPolicies from "./HostPolicies.js"
import * as Patience from "./Patience.js"
import { StoreHosts } from "./StoreHosts.js"
import * as StoreGroups from "./StoreGroups.js"
import * as StoreLimits from "./StoreLimits.js"
import * as StoreOutbox from "./StoreOutbox.js"
import * as StoreOwners from "./StoreOwners.js"
import * as StoreReads from "./StoreReads.js"

/** Wishes of other processes taken up in one transaction. */
const wishes = 500

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const database = yield* Database
  const life = yield* EngineLife
  const { id: engine, isAlive } = life
  const { admission: policy, adopt: adopts, commitInterval } = yield* EngineOptions
  const { gate } = yield* HostPolicies.make
  const hosts = new StoreHosts(sql, (origin) => gate(origin).breaker)
  const decode = SqlRow.decode(database.path)
  const groups = StoreGroups.make(sql, database.path)
  const outbox = StoreOutbox.make(sql)
  const requests = StoreEnqueue.make({ sql, engine })
  const admission = Admission.make({ sql, engine, hosts, policy })
  const commands = StoreCommands.make({ sql, engine })
  const patience = Patience.make({ sql, engine })
  const owners = StoreOwners.make({ sql, database, engine, adopts, inherit: commands.inherit })
  const limits = StoreLimits.make(sql, database)
  const reads = StoreReads.make({ sql, database, decode, engine, hosts, isAlive, group: groups.byId })
  const { ask, changes, counters, onCommit, submit } = yield* StoreActor.make({
    sql,
    database,
    decode,
    engine,
    hosts,
    commitInterval,
    beforeCommit: [groups.count, outbox.settle]
  })

  const apply =
    (id: DownloadId, message: Message): StoreActor.Work<Download> =>
    (batch) =>
      Effect.flatMap(batch.load(id), (download) => batch.apply(download, message))

  let registered = false
  /** For jobs that make this engine an owner: before it owns its first row, it is listed, for its heirs to find. */
  const askAsOwner: typeof ask = (run, about) =>
    Effect.tap(
      ask((batch) => (registered ? run(batch) : Effect.zipRight(owners.register, run(batch))), about),
      () => Effect.sync(() => (registered = true))
    )

  const store = Store.of({
    enqueue: Effect.fn("Store.enqueue")((accepted, { own }) =>
      (own ? askAsOwner : ask)(requests.enqueue(accepted, own), { weight: accepted.length })
    ),
    claim: ({ adopt, limit, onClaimed, places }) => {
      let claimed: ReadonlyArray<Download> = []
      const run: StoreActor.Work<Claims> = (batch) =>
        Effect.tap(admission.claim(limit, adopt, places)(batch), ({ rows }) =>
          Effect.sync(() => (claimed = rows))
        )
      return askAsOwner(run, { committed: () => onClaimed(claimed) })
    },
    tell: (id, message) => ask(apply(id, message), { id }),
    note: (id, message) => submit(apply(id, message), { id }),
    ...reads,
    command: (command, ids) => ask(commands.command(command, ids), { weight: ids.length }),
    obey: ask(commands.obey(wishes)),
    expire: (after, { adopt }) => ask(patience.look(after, adopt), { weight: 1000 }),
    cool: (origin, cooling) =>
      ask((batch) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.map(
            hosts.cool(origin, cooling, Math.floor(now)),
            (health) => void batch.hosts.set(origin, health)
          )
        )
      ),
    addSource: (id, mirror, replace) => ask(commands.addSource(id, mirror, replace), { id }),
    move: (ids, priority) => ask(commands.move(ids, priority), { weight: ids.length }),
    forget: (ids) => ask(outbox.removing(ids, commands.forget(ids)), { weight: ids.length }),
    limits: limits.read,
    limit: (limited, rate) => Effect.zipRight(ask(limits.set(limited, rate)), limits.read),
    openGroup: (name) => ask(() => groups.open(name)),
    sealGroup: (id) => ask(groups.seal(id)),
    enqueueInto: Effect.fn("Store.enqueueInto")((id, accepted, { own }) =>
      Effect.flatten(
        askAsOwner((batch) => groups.fill(id, batch, requests.enqueue(accepted, own)(batch)), {
          weight: accepted.length
        })
      )
    ),
    disown: (owner) => ask(owners.disown(owner), { weight: StoreOwners.moveSize }),
    adopt: (id) => askAsOwner(owners.adopt(id), { id }),
    release: Effect.suspend(() => {
      // no longer listed after this: whatever it may still come to own has to list it again
      registered = false
      return Effect.iterate(
        { cancelled: [] as ReadonlyArray<Download>, more: true },
        {
          while: ({ more }) => more,
          body: ({ cancelled }) =>
            Effect.map(ask(owners.disown(engine), { weight: StoreOwners.moveSize }), (portion) => ({
              cancelled: [...cancelled, ...portion.cancelled],
              more: portion.more
            }))
        }
      ).pipe(Effect.map(({ cancelled }) => cancelled))
    }),
    isAlone: database.path === ":memory:",
    emptyLog: database.emptyLog,
    onCommit,
    changes,
    counters
  } satisfies Shape)
  const consumers = StoreConsumers.make({ sql, database, decode, life, outbox, ask, askListed: askAsOwner })
  return Context.make(Store, store).pipe(Context.add(Outbox, consumers))
})

/** Needs an open database and this engine's id. */
export const layer: Layer.Layer<Store | Outbox, StoreError, SqlClient.SqlClient | Database | EngineLife> =
  Layer.scopedContext(make)
