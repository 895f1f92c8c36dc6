/**
 * LZ4 frames (LZ4 Frame Format 1.6) as Kafka's Java clients write and read them.
 *
 *     frame      := 04 22 4D 18, FLG, BD, contentSize u64?, HC, block*, endMark u32 = 0, sum u32?
 *     FLG        := version 01 · block independence · block sums · content size · content sum · 00
 *     BD         := 0 · block size code 4–7 (64 KiB, 256 KiB, 1 MiB, 4 MiB) · 0000
 *     HC         := second byte of xxh32 over FLG … contentSize
 *     block      := size u32 (top bit: stored as is), data, xxh32 of data?
 *
 * Integers are little-endian. Written: `60 40 82`, so independent 64 KiB blocks without sums.
 * Read: any frame of independent blocks; linked blocks are refused because Java clients refuse
 * them. Content size and content sum are skipped, block sums verified, and what follows the first
 * end mark is not looked at, all as in the reference implementation.
 *
 * The package's frame writer picks its own block size and its frame reader has no bound, so only
 * its raw block functions are used. Their size prefix (u32) is as long as the frame's: compressing
 * turns one into the other in place.
 */
import { CorruptBatchError } from '../../base/errors.ts'
import { kibibyte } from '../../base/units.ts'
import { brokenData, type Codec, codecPackage, tooLarge } from './codec.ts'
import { xxhash32 } from './xxhash32.ts'

const writtenHeader = Buffer.from('04224d18604082', 'hex')
const endMark = Buffer.alloc(4)
const frameMagic = 0x184d2204
const blockInputBytes = 64 * kibibyte
const storedBit = 0x8000_0000
const prefixSize = 4
/** One byte of a length extension makes at most 255 bytes; the token adds a few once. */
const maxRatio = 255
const ratioSlack = 64

const lz4 = codecPackage<typeof import('lz4-napi')>('lz4', 'lz4-napi')

export const lz4Codec: Codec = {
  /** The package has one (fast) compressor: `level` changes nothing. */
  compress(bytes) {
    const { compressSync } = lz4()
    const parts: Buffer[] = [writtenHeader]
    for (let start = 0; start < bytes.length; start += blockInputBytes) {
      const plain = bytes.subarray(start, start + blockInputBytes)
      const block = compressSync(plain)
      const blockSize = block.length - prefixSize
      if (blockSize < plain.length) {
        block.writeUInt32LE(blockSize, 0)
        parts.push(block)
      } else {
        const stored = Buffer.allocUnsafe(prefixSize)
        stored.writeUInt32LE((plain.length | storedBit) >>> 0, 0)
        parts.push(stored, plain)
      }
    }
    parts.push(endMark)
    return Buffer.concat(parts)
  },

  decompress(bytes, maxBytes) {
    const frame = readFrameHeader(bytes)
    const parts: Buffer[] = []
    let total = 0
    let position = frame.headerSize
    for (;;) {
      const head = readUint32(bytes, position)
      position += 4
      if (head === 0) return Buffer.concat(parts, total)
      const size = (head & ~storedBit) >>> 0
      if (size > frame.maxBlockBytes) {
        throw new CorruptBatchError(
          `lz4 block at byte ${position} has ${size} bytes: the frame allows ${frame.maxBlockBytes}`,
        )
      }
      const end = position + size
      if (end + (frame.hasBlockSums ? 4 : 0) > bytes.length) throw cutOff(position)
      const isStored = head >= storedBit
      const left = maxBytes - total
      const plain = isStored
        ? storedBlock(bytes, position, end, left, maxBytes)
        : compressedBlock(bytes, position, end, frame.maxBlockBytes, left, maxBytes)
      parts.push(plain)
      total += plain.length
      position = frame.hasBlockSums ? checkBlockSum(bytes, position, end) : end
    }
  },
}

type FrameHeader = { headerSize: number; maxBlockBytes: number; hasBlockSums: boolean }

function readFrameHeader(bytes: Buffer): FrameHeader {
  if (readUint32(bytes, 0) !== frameMagic) throw new CorruptBatchError('not an lz4 frame')
  if (bytes.length < writtenHeader.length) throw cutOff(4)
  const flags = bytes[4]!
  const blockDescriptor = bytes[5]!
  if (flags >>> 6 !== 1 || (flags & 0x03) !== 0) {
    throw new CorruptBatchError(`lz4 frame has unsupported flags 0x${flags.toString(16)}`)
  }
  if ((flags & 0x20) === 0) {
    throw new CorruptBatchError('lz4 frame has linked blocks, which Kafka clients cannot read')
  }
  const sizeCode = blockDescriptor >>> 4
  if ((blockDescriptor & 0x0f) !== 0 || sizeCode < 4 || sizeCode > 7) {
    throw new CorruptBatchError(
      `lz4 frame has block descriptor 0x${blockDescriptor.toString(16)}, which is not legal`,
    )
  }
  const sumAt = (flags & 0x08) === 0 ? 6 : 14
  if (sumAt >= bytes.length) throw cutOff(sumAt)
  if (((xxhash32(bytes, 4, sumAt) >>> 8) & 0xff) !== bytes[sumAt]) {
    throw new CorruptBatchError('lz4 frame header fails its checksum')
  }
  return {
    headerSize: sumAt + 1,
    maxBlockBytes: 1 << (8 + 2 * sizeCode),
    hasBlockSums: (flags & 0x10) !== 0,
  }
}

function storedBlock(
  bytes: Buffer,
  start: number,
  end: number,
  left: number,
  maxBytes: number,
): Buffer {
  if (end - start > left) throw tooLarge(maxBytes - left + end - start, maxBytes)
  return bytes.subarray(start, end)
}

function compressedBlock(
  bytes: Buffer,
  start: number,
  end: number,
  maxBlockBytes: number,
  left: number,
  maxBytes: number,
): Buffer {
  // The library takes (and clears) this much memory, so it must follow from the bytes at hand.
  const possible = Math.min(maxBlockBytes, (end - start) * maxRatio + ratioSlack)
  const cap = Math.min(possible, left + 1)
  const input = Buffer.allocUnsafe(prefixSize + end - start)
  input.writeUInt32LE(cap, 0)
  input.set(bytes.subarray(start, end), prefixSize)
  const { uncompressSync } = lz4()
  let plain: Buffer
  try {
    plain = uncompressSync(input)
  } catch (error) {
    // The library stops at the cap. If the bound made it, the block was too large for the bound.
    if (cap < possible) throw tooLarge(maxBytes + 1, maxBytes)
    throw brokenData('lz4', error)
  }
  if (plain.length > left) throw tooLarge(maxBytes - left + plain.length, maxBytes)
  return plain
}

/** @returns position after the sum. */
function checkBlockSum(bytes: Buffer, start: number, end: number): number {
  if (xxhash32(bytes, start, end) !== readUint32(bytes, end)) {
    throw new CorruptBatchError(`lz4 block at byte ${start} fails its checksum`)
  }
  return end + 4
}

function readUint32(bytes: Buffer, position: number): number {
  if (position + 4 > bytes.length) throw cutOff(position)
  return bytes.readUInt32LE(position)
}

function cutOff(position: number): CorruptBatchError {
  return new CorruptBatchError(`lz4 frame is cut off at byte ${position} or in the block there`)
}
