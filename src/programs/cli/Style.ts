/**
 * Colours and weights, where they are wanted. node's styleText writes them; whether they are wanted is decided by Output,
 * once for each stream.
 */
import { styleText } from "node:util"

const styles = ["bold", "dim", "red", "green", "yellow", "cyan"] as const

export type Style = Readonly<Record<(typeof styles)[number], (text: string) => string>>

const make = (paint: (style: (typeof styles)[number], text: string) => string): Style => ({
  bold: (text) => paint("bold", text),
  dim: (text) => paint("dim", text),
  red: (text) => paint("red", text),
  green: (text) => paint("green", text),
  yellow: (text) => paint("yellow", text),
  cyan: (text) => paint("cyan", text)
})

const painted = make((style, text) => (text === "" ? "" : styleText(style, text, { validateStream: false })))
const plain = make((_, text) => text)

export const style = (wanted: boolean): Style => (wanted ? painted : plain)
