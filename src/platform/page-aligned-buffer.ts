import { binding } from '../native/load-binding.ts'

const pageBytes = 4096

/** Memory that begins at a page border, for `File.writeDurable`; not zeroed. */
export function pageAlignedBuffer(sizeBytes: number): Buffer {
  const room = Buffer.allocUnsafeSlow(sizeBytes + pageBytes)
  const start = (pageBytes - binding.pageOffset(room)) % pageBytes
  return room.subarray(start, start + sizeBytes)
}
