/**
 * What orders demand of the bytes they want, checksum and largest size, worked out from the scenario: for the clients, who
 * ask for it, and for the oracles, who must not take the engine's word for what was asked.
 */
import { createHash } from "node:crypto"
import type { Checksum } from "../../src/domain/Checksum.js"
import { content } from "./Content.js"
import type { ResourceOptions } from "./Origin.js"
import type { Order } from "./Scenario.js"

export interface Demands {
  readonly checksum: Checksum | null
  readonly maxSize: number | null
}

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

const known = new Map<string, string>()

/** Of the first version of a resource. */
const digestOf = (resource: number, size: number): string => {
  const key = `${resource} ${size}`
  const hex = known.get(key) ?? sha256(content(resource, 1, 0, size))
  known.set(key, hex)
  return hex
}

export const demandsOf = (
  resources: ReadonlyArray<Pick<ResourceOptions, "size">>,
  { checksum, largest, resource }: Order
): Demands => {
  const { size } = resources[resource]!
  return {
    checksum:
      checksum === undefined
        ? null
        : { algorithm: "sha-256", hex: checksum === "wrong" ? "0".repeat(64) : digestOf(resource, size) },
    maxSize: largest === undefined ? null : Math.floor(size * largest)
  }
}
