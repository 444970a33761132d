/**
 * The options of how an engine reaches others: of `get` and `run`, not of what is put into the queue, so that nothing of them
 * is stored. What they mean together is in Network.
 */
import * as Args from "./Args.js"
import * as Setting from "./Setting.js"

export const network = {
  cacert: Setting.one(Args.file, undefined, {
    name: "cacert",
    kind: "FILE",
    group: "The network",
    path: "file",
    description: "Authorities to trust instead of the usual ones: certificates as PEM."
  }),
  certificate: Setting.one(Args.file, undefined, {
    name: "cert",
    kind: "FILE",
    group: "The network",
    path: "file",
    description:
      "A client certificate as PEM, for servers that ask for one. It is shown to the origins of the URLs asked for; neither to " +
      "mirrors nor where redirects lead."
  }),
  privateKey: Setting.one(Args.file, undefined, {
    name: "key",
    kind: "FILE",
    group: "The network",
    path: "file",
    description: "The private key of --cert as PEM. Default: it is in the same file."
  }),
  keyPassphrase: Setting.one(Args.secret, undefined, {
    name: "key-passphrase",
    kind: "TEXT",
    group: "The network",
    secret: true,
    description:
      "For a key that is encrypted. Others can see what is typed: better SLUICE_KEY_PASSPHRASE, or the config file."
  }),
  netrc: Setting.flag({
    name: "netrc",
    group: "The network",
    description:
      "Look users and passwords up in $NETRC, or ~/.netrc: for URLs without credentials, and where https redirects lead to a machine " +
      "named there. It is read for each request, and nothing of it is stored."
  }),
  netrcFile: Setting.one(Args.file, undefined, {
    name: "netrc-file",
    kind: "FILE",
    group: "The network",
    path: "file",
    description: "The same, with this file."
  }),
  digest: Setting.flag({
    name: "digest",
    group: "The network",
    description:
      "Never send a password: only answer challenges of digest authentication. (Without it, they are answered too, but a password is " +
      "sent at once to who has not asked for one.)"
  }),
  loadCookies: Setting.one(Args.file, undefined, {
    name: "load-cookies",
    kind: "FILE",
    group: "The network",
    path: "file",
    description:
      "Begin with these cookies (Netscape's format, as browsers' exports, curl and wget have it), and take those of servers."
  }),
  saveCookies: Setting.one(Args.file, undefined, {
    name: "save-cookies",
    kind: "FILE",
    group: "The network",
    path: "file",
    description:
      "Take the cookies of servers, and write them to this file at the end, also when interrupted. Default: no cookies."
  }),
  proxy: Setting.one(Args.proxy, undefined, {
    name: "proxy",
    kind: "URL",
    group: "The network",
    secret: true,
    description:
      "Go through this proxy: http://, https://, socks5:// (names are resolved here) or socks5h:// (by the proxy), with USER:PASSWORD@ " +
      "where it wants them. Default: what http_proxy, https_proxy and all_proxy say."
  }),
  noProxy: Setting.one(Args.text, undefined, {
    name: "no-proxy",
    kind: "LIST",
    group: "The network",
    description:
      "Reach these without a proxy: names (and what is below them), addresses and networks, with commas; * is everything. Default: " +
      "what no_proxy says."
  }),
  insecure: Setting.flag({
    name: "insecure",
    group: "The network",
    description:
      "Do not check the certificates of servers: whoever is on the way can read and change everything. Warns each time."
  }),
  ipv4: Setting.flag({
    name: "ipv4",
    short: "4",
    group: "The network",
    description: "Connect to IPv4 addresses only."
  }),
  ipv6: Setting.flag({
    name: "ipv6",
    short: "6",
    group: "The network",
    description: "Connect to IPv6 addresses only."
  })
}
