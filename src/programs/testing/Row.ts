/**
 * A row for suites that hand over what an engine would: as it is when a download of a URL was just recorded.
 */
import * as Either from "effect/Either"
import type { Download } from "../../domain/Download.js"
import { fromKey } from "../../domain/DownloadId.js"
import { accept } from "../../domain/DownloadRequest.js"
import { initial } from "../../layers/StoreEnqueue.js"

/** Of that key, which may be anything. */
export const rowOf = (key: string): Download => ({
  ...initial(
    fromKey(4711),
    Either.getOrThrow(accept({ url: "https://store.test/item", directory: "/downloads" })),
    null,
    0,
    null
  ),
  key
})
