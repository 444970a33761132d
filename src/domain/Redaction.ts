/**
 * Keeping secrets (PROMISES H3), and what a terminal would obey, out of everything that is shown.
 */

/**
 * The URL without user and password. Text that is no URL with a host comes back without anything between its scheme
 * and its last @: "user:secret@host" parses as a URL of the scheme "user".
 */
export const redactUrl = (text: string): string => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || url.host === "") return text.replace(/^([a-z][a-z0-9+.-]*:)?(\/\/)?.*@/is, "$1$2")
  if (url.username === "" && url.password === "") return text
  url.username = ""
  url.password = ""
  return url.href
}

/** Foreign text as a part of a message: at most `limit` characters, none of which moves or hides others. */
export const printable = (text: string, limit = 200): string =>
  (text.length > limit ? `${text.slice(0, limit)}…` : text).replaceAll(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    "?"
  )
