/**
 * Chance from a seed: the only source of randomness in the simulated world. Each part of the world draws from a stream of its
 * own (`fork`), so that one more draw in the disk does not reshuffle the network.
 */
const mix = (hash: number, value: number): number => {
  let h = Math.imul(hash ^ value, 0x85eb_ca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35)
  return (h ^ (h >>> 16)) >>> 0
}

const hashText = (text: string): number => {
  let h = 0x811c_9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x0100_0193)
  return h >>> 0
}

export class Seeded {
  private state: number
  constructor(readonly seed: number) {
    this.state = mix(0x9e37_79b9, seed | 0)
  }

  /** A stream of its own, decided by this one's seed and the label, not by how much was drawn. */
  fork(label: string): Seeded {
    return new Seeded(mix(hashText(label), this.seed))
  }

  /** From 0 to below 1 (mulberry32). */
  next(): number {
    this.state = (this.state + 0x6d2b_79f5) | 0
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }

  /** A whole number from `low` to `high`, both inclusive. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low)
  }

  /** Spread evenly over orders of magnitude. */
  log(low: number, high: number): number {
    return Math.exp(this.between(Math.log(low), Math.log(high)))
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** One of these; there must be one. */
  pick<A>(values: ReadonlyArray<A>): A {
    return values[this.int(0, values.length - 1)]!
  }

  /** One of the keys, each as likely as its weight says. */
  weighted<K extends string>(weights: Readonly<Partial<Record<K, number>>>): K {
    const entries = Object.entries(weights) as Array<[K, number]>
    let rest = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [key, weight] of entries) {
      rest -= weight
      if (rest < 0) return key
    }
    return entries.at(-1)![0]
  }
}

/** A running fingerprint of everything that happened. */
export class Fingerprint {
  private a = 0x811c_9dc5
  private b = 0x9e37_79b9
  number(value: number): void {
    this.a = mix(this.a, value | 0)
    this.b = mix(this.b + 0x6d2b_79f5, value | 0)
  }
  text(text: string): void {
    this.number(hashText(text))
  }
  get value(): string {
    return this.a.toString(16).padStart(8, "0") + this.b.toString(16).padStart(8, "0")
  }
}
