import { binding } from '../native/load-binding.ts'

/**
 * CRC-32C of `bytes[start, end)`, an unsigned 32-bit number. `seed` continues the CRC of the bytes
 * before `start` (default 0: none). Allocates nothing. A call costs about 50 ns, then 24 GB/s through
 * the addon and 0.6 GB/s without it.
 */
export const crc32c: (bytes: Uint8Array, start: number, end: number, seed?: number) => number =
  binding.crc32c
