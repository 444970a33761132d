/**
 * The command line of one wget that answers one request: the body to stdout, heads and complaints to stderr.
 *
 * What may be secret (URL, header fields) never stands in an argument, which every user of the machine can read, nor in a file that
 * a crash could leave behind: both come through stdin. The URL goes on to wget through a pipe; header fields through a file,
 * as wget insists on one, which has lost its name before the first of them is written to it (in memory, where the system has /dev/shm).
 * Proxies, with their credentials, go the same way; those of its own configuration and environment count for nothing.
 * Stdin then stays open as long as the engine lives. When it ends, however the engine has died, wget is killed in the same
 * instant; so there are no orphans to look for.
 *
 * | the engine | wget |
 * |---|---|
 * | closes stdin, or is killed | the watcher reads the end, and kills it |
 * | sends SIGTERM to the group | ends; the shell waits for it, and ends with its code |
 * | sends SIGKILL to the group | is gone, with all of the group |
 */
import * as Command from "@effect/platform/Command"
import * as Redacted from "effect/Redacted"
import * as Proxy from "../domain/Proxy.js"
import type { WireRequest } from "../services/Wire.js"

/** For `sh -c`; arguments are wget's. */
const script = `unset WGETRC http_proxy https_proxy ftp_proxy no_proxy
IFS= read -r url || exit 1
umask 077
for dir in /dev/shm "\${TMPDIR:-/tmp}"; do [ -d "$dir" ] && [ -w "$dir" ] && break; done
file=$(mktemp "$dir/sluice.XXXXXXXX") || exit 3
exec 3<>"$file"
rm -f "$file"
while IFS= read -r line && [ -n "$line" ]; do printf '%s\\n' "$line" >&3; done
exec 4<&0
trap : TERM
wget "$@" --config=/dev/fd/3 --input-file=- <<URL 4<&- &
$url
URL
child=$!
exec 3<&-
echo "pid $child" >&2
{ read -r _; kill -KILL "$child"; } <&4 >/dev/null 2>&1 &
watcher=$!
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
kill "$watcher" 2>/dev/null
exit "$code"`

/** No second tries, redirects, timeouts or credentials of its own: all that is decided by those who ask. */
const fixed = [
  "--server-response",
  "--output-document=-",
  "--tries=1",
  "--timeout=0",
  "--max-redirect=0",
  "--no-http-keep-alive",
  "--no-netrc",
  "--no-cookies",
  "--no-hsts",
  "--progress=dot:giga"
]

/** Where a request wants the body to begin. */
export const startOf = ({ headers }: Pick<WireRequest, "headers">): number => {
  const range = headers.find(([name]) => name.toLowerCase() === "range")?.[1]
  return Number(/^bytes=(\d{1,15})-/.exec(range ?? "")?.[1] ?? 0)
}

/** The same request for all there is. */
export const whole = (request: WireRequest): WireRequest => ({
  ...request,
  headers: request.headers.filter(([name]) => !/^(range|if-range)$/i.test(name))
})

/** How it is to reach others. */
export interface Ways {
  readonly family: 4 | 6 | undefined
  /** Certificates are not checked. */
  readonly insecure: boolean
  readonly proxies: Proxy.Rules
}

/** Nothing but defaults. */
export const usual: Ways = { family: undefined, insecure: false, proxies: Proxy.direct }

const waysOf = ({ family, insecure, proxies }: Ways, url: string): ReadonlyArray<string> => {
  const proxy = Proxy.choose(proxies, new URL(url).origin)
  const at = proxy === undefined ? undefined : Redacted.value(Proxy.toUrl(proxy))
  return [
    ...(family === undefined ? [] : [`inet${family}_only = on`]),
    ...(insecure ? ["check_certificate = off"] : []),
    ...(at === undefined ? ["use_proxy = off"] : [`http_proxy = ${at}`, `https_proxy = ${at}`])
  ]
}

/** Undefined where it can't be said to wget: a field or a URL of several lines, or none that is absolute. */
export const make = (
  request: Pick<WireRequest, "url" | "headers">,
  ways: Ways
): { readonly command: Command.Command; readonly input: Uint8Array } | undefined => {
  const { headers, url } = request
  if (!URL.canParse(url)) return undefined
  const named = headers.some(([name]) => name.toLowerCase() === "user-agent")
  const fields = named ? headers : [...headers, ["User-Agent", "sluice"] as const]
  const lines = [url, ...waysOf(ways, url), ...fields.map(([name, value]) => `header = ${name}: ${value}`)]
  // oxlint-disable-next-line no-control-regex
  if (lines.some((line) => /[\0\r\n]/.test(line))) return undefined
  const start = startOf(request)
  return {
    command: Command.make(
      "sh",
      "-c",
      script,
      "sh",
      ...fixed,
      ...(start > 0 ? [`--start-pos=${start}`] : [])
    ).pipe(Command.env({ LC_ALL: "C" })),
    // as an HTTP/1.1 message has it: octets
    input: Buffer.from(`${lines.join("\n")}\n\n`, "latin1")
  }
}
