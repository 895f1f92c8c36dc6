/**
 * Big-endian integers of the stored formats, read and written at a position without allocation.
 *
 * A 64-bit integer is handled as two 32-bit halves, `high × 2^32 + low`: BigInt costs 30–45 ns an
 * operation. What does not fit a safe integer (beyond ±(2^53 − 1)) reads as NaN, so that each
 * caller can refuse it with the error its field deserves. Positions are not checked here beyond
 * what the language does: callers know that the bytes are there.
 */
const twoTo32 = 4_294_967_296

/** Signed 16-bit integer at `position`. */
export function readInt16(bytes: Uint8Array, position: number): number {
  return ((bytes[position]! << 24) | (bytes[position + 1]! << 16)) >> 16
}

/** Signed 32-bit integer at `position`. */
export function readInt32(bytes: Uint8Array, position: number): number {
  return (
    (bytes[position]! << 24) |
    (bytes[position + 1]! << 16) |
    (bytes[position + 2]! << 8) |
    bytes[position + 3]!
  )
}

/** Unsigned 32-bit integer at `position`. */
export function readUint32(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position) >>> 0
}

/** Signed 64-bit integer at `position`, or NaN when it is not a safe integer. */
export function readInt64OrNaN(bytes: Uint8Array, position: number): number {
  const value = readInt32(bytes, position) * twoTo32 + readUint32(bytes, position + 4)
  return Number.isSafeInteger(value) ? value : Number.NaN
}

/** Writes the low 16 bits of `value`. */
export function writeInt16(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >>> 8
  bytes[position + 1] = value
}

/** Writes the low 32 bits of `value`, signed or unsigned. */
export function writeInt32(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >>> 24
  bytes[position + 1] = value >>> 16
  bytes[position + 2] = value >>> 8
  bytes[position + 3] = value
}

/** Writes a safe integer as a signed 64-bit one. */
export function writeInt64(bytes: Uint8Array, position: number, value: number): void {
  // Floor, not truncation: −1 is the halves (−1, 2^32 − 1).
  const high = Math.floor(value / twoTo32)
  writeInt32(bytes, position, high)
  writeInt32(bytes, position + 4, value - high * twoTo32)
}
