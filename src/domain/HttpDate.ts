/**
 * Dates in header fields (RFC 9110 section 5.6.7). Parsing is strict, because dates are evidence: `Date.parse` would
 * read "0" or "-1", which servers write for "unknown", as dates that never change, and asctime in local time.
 */
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

const days = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
const longDays = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
const month = `(?<month>${months.join("|")})`
const time = String.raw`(?<hour>\d\d):(?<minute>\d\d):(?<second>\d\d)`

const forms = [
  // IMF-fixdate, then the two obsolete forms: RFC 850 and asctime
  new RegExp(String.raw`^${days}, (?<day>\d\d) ${month} (?<year>\d{4}) ${time} GMT$`),
  new RegExp(String.raw`^${longDays}, (?<day>\d\d)-${month}-(?<year>\d\d) ${time} GMT$`),
  new RegExp(String.raw`^${days} ${month} (?<day>\d\d| \d) ${time} (?<year>\d{4})$`)
]

/** Milliseconds since the epoch; undefined if the text is no HTTP-date. Two-digit years are those from 1970 to 2069. */
export const parse = (text: string): number | undefined => {
  for (const form of forms) {
    const groups = form.exec(text)?.groups
    if (groups === undefined) continue
    const number = (name: string): number => Number(groups[name])
    const year =
      groups["year"]!.length === 4 ? number("year") : number("year") + (number("year") < 70 ? 2000 : 1900)
    const date = new Date(0)
    date.setUTCFullYear(year, months.indexOf(groups["month"]!), number("day"))
    date.setUTCHours(number("hour"), number("minute"), number("second"))
    // what rolled over (30 February, 24:00, second 61) was no date
    return date.getUTCDate() === number("day") &&
      date.getUTCHours() === number("hour") &&
      date.getUTCMinutes() === number("minute")
      ? date.getTime()
      : undefined
  }
  return undefined
}
