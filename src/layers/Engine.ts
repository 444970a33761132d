/**
 * The engine, put together: everything above the database, the two seams and the engine's lock. Live programs, tests under a
 * TestClock and the simulation all run exactly this.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Layer from "effect/Layer"
import type { StoreError } from "../domain/StoreError.js"
import type { Downloads } from "../services/Downloads.js"
import type { EngineLife } from "../services/EngineLife.js"
import type { Outbox } from "../services/Outbox.js"
import type { PartFile } from "../services/PartFile.js"
import type { Store } from "../services/Store.js"
import type { Supervisor } from "../services/Supervisor.js"
import type { Wire } from "../services/Wire.js"
import type { Database } from "./Database.js"
import * as Bandwidth from "./Bandwidth.js"
import * as DownloadsLayer from "./Downloads.js"
import * as HostGates from "./HostGates.js"
import * as HttpRevalidation from "./HttpRevalidation.js"
import * as HttpTransport from "./HttpTransport.js"
import * as MeteredWire from "./MeteredWire.js"
import * as SqlStore from "./SqlStore.js"
import * as EngineSwitch from "./EngineSwitch.js"

/** The engine over a database, a network, a disk and a lock of your choice. */
export const layer: Layer.Layer<
  Downloads | Supervisor | Store | Outbox,
  StoreError,
  SqlClient.SqlClient | Database | Wire | PartFile | EngineLife
> = DownloadsLayer.layer.pipe(
  Layer.provideMerge(EngineSwitch.layer),
  Layer.provideMerge(SqlStore.layer),
  // one after the other: merged layers can't be interrupted safely (AtOnce)
  Layer.provide(HttpTransport.layer),
  Layer.provide(HttpRevalidation.layer),
  Layer.provide(Bandwidth.layer),
  // what waits at a gate has not been asked yet: what is measured is the network
  Layer.provide(Layer.provide(HostGates.layer, MeteredWire.layer))
)
