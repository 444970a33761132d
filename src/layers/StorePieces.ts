/**
 * Digests of pieces, stored beside the rows of their downloads: packed, as many bytes as they have. What they are for is the
 * business of `domain/Pieces`. They are there from the request to its success; of what has failed or was cancelled, until the row
 * is removed, as it may be tried again.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { digits } from "../domain/Checksum.js"
import type { Download } from "../domain/Download.js"
import { type DownloadId, toKey } from "../domain/DownloadId.js"
import type { Pieces } from "../domain/Pieces.js"

/** Forgets those of downloads that need them no more, by key. */
export const forgetStatement =
  "DELETE FROM sluice_pieces WHERE download_id IN (SELECT value FROM json_each(?))"

export const make = (sql: SqlClient.SqlClient) => ({
  keep: (id: DownloadId, { hashes }: Pieces) =>
    sql.unsafe("INSERT OR REPLACE INTO sluice_pieces (download_id, hashes) VALUES (?, ?)", [
      toKey(id),
      Buffer.from(hashes.join(""), "hex")
    ]),

  /** Gives a new try those of the one before it; whether there were any. */
  inherit: (from: DownloadId, to: DownloadId) =>
    Effect.map(
      sql.unsafe(
        `INSERT OR REPLACE INTO sluice_pieces (download_id, hashes)
         SELECT ?, hashes FROM sluice_pieces WHERE download_id = ? RETURNING download_id`,
        [toKey(to), toKey(from)]
      ),
      (rows) => rows.length > 0
    ),

  /** Those of a download, where its row says that it has any. */
  read: ({ id, options: { pieces } }: Pick<Download, "id" | "options">) =>
    Effect.map(
      sql.unsafe<{ hashes: Uint8Array }>("SELECT hashes FROM sluice_pieces WHERE download_id = ?", [
        toKey(id)
      ]),
      ([row]): Pieces | undefined => {
        if (row === undefined || pieces === null) return undefined
        const text = Buffer.from(row.hashes).toString("hex")
        const length = digits[pieces.algorithm]
        return {
          ...pieces,
          hashes: Array.from({ length: text.length / length }, (_, i) =>
            text.slice(i * length, (i + 1) * length)
          )
        }
      }
    )
})
