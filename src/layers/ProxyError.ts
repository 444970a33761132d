/**
 * Why no connection was made through a proxy, on its way through undici, which passes on what a connector reports.
 */
import type { DownloadError } from "../domain/DownloadError.js"

export class ProxyError extends Error {
  override readonly name = "ProxyError"
  constructor(readonly failure: DownloadError) {
    super(failure.detail)
  }
}
