/**
 * Walks the skeleton of a zstd stream (RFC 8878) without decompressing it: is it whole, and how
 * large can the result become? Frames often lack a content size, and one that is there may lie,
 * so the bound comes from the blocks: each makes at most 128 KiB, raw and run-length blocks
 * exactly what they say.
 *
 *     frame      := FD2FB528 (little-endian), descriptor u8, window u8?, dictionary id 0|1|2|4,
 *                   contentSize 0|1|2|4|8, block+, checksum u32?
 *     block      := u24 little-endian: last bit, type (0 raw, 1 run, 2 compressed), size; data
 *     skippable  := 184D2A50 … 184D2A5F, size u32, that many bytes
 */
import { CorruptBatchError } from '../../base/errors.ts'
import { kibibyte } from '../../base/units.ts'

const frameMagic = 0xfd2fb528
const skippableMagic = 0x184d2a50
const maxBlockBytes = 128 * kibibyte
const dictionaryIdSizes = [0, 1, 2, 4] as const
const contentSizeSizes = [0, 2, 4, 8] as const

const rawBlock = 0
const runBlock = 1
const compressedBlock = 2

/**
 * Largest size in bytes that `bytes` can decompress to. Throws CorruptBatchError unless they are
 * whole frames, one after the other, to the very end.
 */
export function boundZstd(bytes: Buffer): number {
  let bound = 0
  let position = 0
  while (position < bytes.length) {
    need(bytes, position, 4)
    const magic = bytes.readUInt32LE(position)
    if ((magic & 0xfffffff0) >>> 0 === skippableMagic) {
      need(bytes, position, 8)
      const size = bytes.readUInt32LE(position + 4)
      need(bytes, position, 8 + size)
      position += 8 + size
      continue
    }
    if (magic !== frameMagic) {
      throw new CorruptBatchError(`no zstd frame at byte ${position}`)
    }
    const descriptor = byteAt(bytes, position + 4)
    let blockAt = position + 5 + headerFieldsSize(descriptor)
    for (let isLast = false; !isLast; ) {
      need(bytes, blockAt, 3)
      const head = bytes.readUIntLE(blockAt, 3)
      isLast = (head & 1) === 1
      const type = (head >>> 1) & 3
      const size = head >>> 3
      if (type > compressedBlock || size > maxBlockBytes) {
        throw new CorruptBatchError(`zstd block at byte ${blockAt} has type ${type}, size ${size}`)
      }
      const storedSize = type === runBlock ? 1 : size
      need(bytes, blockAt, 3 + storedSize)
      bound += type === rawBlock || type === runBlock ? size : maxBlockBytes
      blockAt += 3 + storedSize
    }
    const hasChecksum = (descriptor & 0x04) !== 0
    if (hasChecksum) need(bytes, blockAt, 4)
    position = blockAt + (hasChecksum ? 4 : 0)
  }
  return bound
}

function headerFieldsSize(descriptor: number): number {
  if ((descriptor & 0x08) !== 0) throw new CorruptBatchError('zstd frame sets a reserved bit')
  const isSingleSegment = (descriptor & 0x20) !== 0
  const contentSizeCode = descriptor >>> 6
  const contentSize =
    contentSizeCode === 0 && isSingleSegment ? 1 : contentSizeSizes[contentSizeCode]!
  return (isSingleSegment ? 0 : 1) + dictionaryIdSizes[descriptor & 3]! + contentSize
}

function byteAt(bytes: Buffer, position: number): number {
  need(bytes, position, 1)
  return bytes[position]!
}

function need(bytes: Buffer, position: number, count: number): void {
  if (position + count > bytes.length) {
    throw new CorruptBatchError(
      `zstd stream is cut off in the part that begins at byte ${position}`,
    )
  }
}
