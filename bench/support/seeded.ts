/** Mulberry32: 32 bits of state, uniform numbers in [0, 1). The same seed gives the same run. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** `count` buffers of `valueBytes` random bytes each, all different memory. */
export function seededValues(count: number, valueBytes: number, seed: number): Buffer[] {
  const random = seededRandom(seed)
  return Array.from({ length: count }, () => {
    const value = Buffer.alloc(valueBytes)
    for (let at = 0; at < valueBytes; at++) value[at] = random() * 256
    return value
  })
}
