/**
 * The network by way of wget, over Node's processes. Loaded where it is wanted only.
 */
import * as NodeCommandExecutor from "@effect/platform-node/NodeCommandExecutor"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Layer from "effect/Layer"
import type { Ways } from "../layers/WgetCommand.js"
import * as WgetWire from "../layers/WgetWire.js"
import type { Wire } from "../services/Wire.js"

export const layer = (ways: Ways): Layer.Layer<Wire> =>
  WgetWire.layer(ways).pipe(Layer.provide(NodeCommandExecutor.layer), Layer.provide(NodeFileSystem.layer))
