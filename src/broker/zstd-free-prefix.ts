/**
 * Cuts a slice before its first zstd batch, for clients too old to know that codec.
 *
 * @returns the slice itself, a shorter one that takes over its release, or undefined when the
 *          first batch is zstd already (the slice is then still the caller's).
 */
import type { FileSlice } from '../platform/file-slice.ts'
import {
  attributesAt,
  batchHeaderSize,
  batchLengthAt,
  batchOverhead,
  codecMask,
} from '../record/batch-format.ts'
import { codecNameOf } from '../record/codec-name.ts'

export function zstdFreePrefix(slice: FileSlice): FileSlice | undefined {
  const header = Buffer.allocUnsafe(batchHeaderSize)
  let length = 0
  while (length + batchHeaderSize <= slice.length) {
    slice.file.read(header, slice.position + length)
    if (codecNameOf(header.readInt16BE(attributesAt) & codecMask) === 'zstd') break
    length += batchOverhead + header.readInt32BE(batchLengthAt)
  }
  if (length === 0) return undefined
  if (length >= slice.length) return slice
  const { kind, file, position } = slice
  return { kind, file, position, length, release: () => slice.release() }
}
