/**
 * Keeping secrets (PROMISES H3), and what a terminal would obey, out of everything that is shown.
 */

/** Text in which a colon or // comes before any path: an @ behind it may end a password. */
const broken = /^(?=\/\/|[^/\\]*:)([^/\\:]*:)?(\/\/)?.*@/s

/**
 * The URL without user and password, and without its fragment: no server is sent that, and some services keep keys in it. Other text with a colon or // before its path comes back without anything from
 * there to its last @ ("user:secret@host" is a URL of the scheme "user"); other text comes back as it is.
 */
export const redactUrl = (text: string): string => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || url.host === "") return text.replace(broken, "$1$2")
  if (url.username === "" && url.password === "" && url.hash === "") return text
  url.username = ""
  url.password = ""
  url.hash = ""
  return url.href
}

/** Foreign text as a part of a message: at most `limit` characters, none of which moves or hides others. */
export const printable = (text: string, limit = 200): string =>
  (text.length > limit ? `${text.slice(0, limit)}…` : text).replaceAll(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    "?"
  )
