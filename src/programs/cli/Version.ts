/**
 * The version of this program: written into the bundle by the build, read from package.json when run from source.
 */
import { readFileSync } from "node:fs"

declare const __SLUICE_VERSION__: string | undefined

const fromPackage = (): string => {
  const manifest: { readonly version: string } = JSON.parse(
    readFileSync(new URL("../../../package.json", import.meta.url), "utf8")
  )
  return manifest.version
}

export const version: string = typeof __SLUICE_VERSION__ === "string" ? __SLUICE_VERSION__ : fromPackage()
