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

/**
 * Producers write one frame; parallel compressors a few. Each costs a decoder of its own, so
 * thousands of tiny ones would be an attack on this thread's time.
 */
const maxFrames = 1024

const runBlock = 1
const compressedBlock = 2

/** One frame of a stream: `bytes[start, end)`, which decompresses to `boundBytes` at most. */
export type ZstdFrame = {
  readonly start: number
  readonly end: number
  readonly boundBytes: number
}

/**
 * The frames of a stream in order, without the skippable ones. Throws CorruptBatchError unless
 * `bytes` are whole frames to the very end, at most 1024 of them.
 */
export function findZstdFrames(bytes: Buffer): ZstdFrame[] {
  if (bytes.length === 0) throw new CorruptBatchError('zstd stream is empty')
  const frames: ZstdFrame[] = []
  let position = 0
  while (position < bytes.length) {
    need(bytes, position, 4)
    const magic = bytes.readUInt32LE(position)
    if ((magic & 0xfffffff0) >>> 0 === skippableMagic) {
      need(bytes, position, 8)
      const size = 8 + bytes.readUInt32LE(position + 4)
      need(bytes, position, size)
      position += size
    } else if (magic === frameMagic) {
      const frame = walkFrame(bytes, position)
      frames.push(frame)
      if (frames.length > maxFrames) {
        throw new CorruptBatchError(`zstd stream has more than ${maxFrames} frames`)
      }
      position = frame.end
    } else {
      throw new CorruptBatchError(`no zstd frame at byte ${position}`)
    }
  }
  return frames
}

function walkFrame(bytes: Buffer, start: number): ZstdFrame {
  need(bytes, start, 5)
  const descriptor = bytes[start + 4]!
  let boundBytes = 0
  let position = start + 5 + headerFieldsSize(descriptor)
  for (let isLast = false; !isLast; ) {
    need(bytes, position, 3)
    const head = bytes.readUIntLE(position, 3)
    isLast = (head & 1) === 1
    const type = (head >>> 1) & 3
    const size = head >>> 3
    if (type > compressedBlock || size > maxBlockBytes) {
      throw new CorruptBatchError(`zstd block at byte ${position} has type ${type}, size ${size}`)
    }
    boundBytes += type === compressedBlock ? maxBlockBytes : size
    const blockSize = 3 + (type === runBlock ? 1 : size)
    need(bytes, position, blockSize)
    position += blockSize
  }
  if ((descriptor & 0x04) !== 0) {
    need(bytes, position, 4)
    position += 4
  }
  return { start, end: position, boundBytes }
}

function headerFieldsSize(descriptor: number): number {
  if ((descriptor & 0x08) !== 0) throw new CorruptBatchError('zstd frame sets a reserved bit')
  const isSingleSegment = (descriptor & 0x20) !== 0
  const contentSizeCode = descriptor >>> 6
  const contentSize =
    contentSizeCode === 0 && isSingleSegment ? 1 : contentSizeSizes[contentSizeCode]!
  return (isSingleSegment ? 0 : 1) + dictionaryIdSizes[descriptor & 3]! + contentSize
}

function need(bytes: Buffer, position: number, count: number): void {
  if (position + count > bytes.length) {
    throw new CorruptBatchError(
      `zstd stream is cut off in the part that begins at byte ${position}`,
    )
  }
}
