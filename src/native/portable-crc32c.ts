/**
 * CRC-32C (Castagnoli; RFC 3720 appendix B.4, reflected polynomial 0x82F63B78) in plain
 * TypeScript, by slicing: `tables[k * 256 + b]` is what byte `b` contributes when `k` more bytes
 * follow it, so eight bytes are folded with eight independent look-ups instead of a chain of eight.
 * Origin: M. Kounavis and F. Berry, "Novel Table Lookup-Based Algorithms for High-Performance CRC
 * Generation", IEEE Transactions on Computers 57 (2008).
 */
const polynomial = 0x82f63b78
const sliceBytes = 8

const tables: Int32Array = buildTables()

function buildTables(): Int32Array {
  const built = new Int32Array(sliceBytes * 256)
  for (let byte = 0; byte < 256; byte++) {
    let remainder = byte
    for (let bit = 0; bit < 8; bit++) {
      remainder = (remainder >>> 1) ^ ((remainder & 1) === 1 ? polynomial : 0)
    }
    built[byte] = remainder
  }
  for (let at = 256; at < built.length; at++) {
    const shorter = built[at - 256]!
    built[at] = (shorter >>> 8) ^ built[shorter & 0xff]!
  }
  return built
}

/** CRC-32C of `bytes[start, end)`, an unsigned 32-bit number; `seed` continues an earlier one. */
export function portableCrc32c(bytes: Uint8Array, start: number, end: number, seed = 0): number {
  const t = tables
  let crc = ~seed
  let at = start
  for (const last = end - sliceBytes; at <= last; at += sliceBytes) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    crc =
      t[0x700 | (crc & 0xff)]! ^
      t[0x600 | ((crc >>> 8) & 0xff)]! ^
      t[0x500 | ((crc >>> 16) & 0xff)]! ^
      t[0x400 | (crc >>> 24)]! ^
      t[0x300 | bytes[at + 4]!]! ^
      t[0x200 | bytes[at + 5]!]! ^
      t[0x100 | bytes[at + 6]!]! ^
      t[bytes[at + 7]!]!
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ t[(crc ^ bytes[at]!) & 0xff]!
  return ~crc >>> 0
}
