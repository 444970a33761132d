/**
 * A self-signed certificate for 127.0.0.1 and localhost, made on the spot, so that no key lies in the repository and no
 * other program is needed. The least of X.509 (RFC 5280) that TLS clients accept.
 */
import { generateKeyPairSync, sign } from "node:crypto"

const tlv = (tag: number, ...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

const sequence = (...parts: ReadonlyArray<Uint8Array>): Buffer => tlv(0x30, ...parts)
const oid = (hex: string): Buffer => tlv(0x06, Buffer.from(hex, "hex"))
const time = (date: Date): Buffer =>
  tlv(0x18, Buffer.from(`${date.toISOString().replaceAll(/[-:T]/g, "").slice(0, 14)}Z`))

const day = 24 * 3_600_000

/** PEM of the key and of its certificate, valid for a day before and after now. */
export const selfSigned = (
  subject = "sluice test origin"
): { readonly key: string; readonly cert: string } => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" })
  const ecdsaWithSha256 = sequence(oid("2a8648ce3d040302"))
  const name = sequence(tlv(0x31, sequence(oid("550403"), tlv(0x0c, Buffer.from(subject)))))
  const names = sequence(tlv(0x82, Buffer.from("localhost")), tlv(0x87, Buffer.from([127, 0, 0, 1])))
  const isCa = sequence(tlv(0x01, Buffer.from([0xff])))
  const extensions = sequence(
    sequence(oid("551d11"), tlv(0x04, names)),
    sequence(oid("551d13"), tlv(0x04, isCa))
  )
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    name,
    sequence(time(new Date(Date.now() - day)), time(new Date(Date.now() + day))),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    tlv(0xa3, extensions)
  )
  const signature = sign("sha256", body, privateKey)
  const certificate = sequence(body, ecdsaWithSha256, tlv(0x03, Buffer.from([0]), signature))
  const lines = certificate.toString("base64").replaceAll(/(.{64})/g, "$1\n")
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
  }
}
