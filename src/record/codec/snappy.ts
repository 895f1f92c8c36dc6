/**
 * Snappy in the framing of xerial's snappy-java, which is what Kafka clients write; not the
 * official snappy framing format.
 *
 *     stream := header, block*
 *     header := 82 53 4E 41 50 50 59 00, version i32 = 1, lowest compatible version i32 = 1
 *     block  := compressedLength i32, one raw snappy block (at most 32 KiB of input)
 *
 * Integers are big-endian. Streams may follow each other, header and all. A payload without the
 * header is one raw block (librdkafka and some others write that).
 *
 * A raw block begins with its uncompressed size as an unsigned varint, so the whole result is
 * known, and bounded, before anything is decompressed.
 */
import { CorruptBatchError } from '../../base/errors.ts'
import { kibibyte } from '../../base/units.ts'
import { readInt32, writeInt32 } from '../int64.ts'
import { brokenData, type Codec, codecPackage, tooLarge } from './codec.ts'

const header = Buffer.from('82534e41505059000000000100000001', 'hex')
const magicSize = 8
const blockInputBytes = 32 * kibibyte
/** The first four bytes of the magic, where a block length is expected: another header. */
const magicAsLength = readInt32(header, 0)
/** The densest element of the format makes 64 bytes of 3. */
const maxRatio = 22

const snappy = codecPackage<typeof import('snappy')>('snappy', 'snappy')

export const snappyCodec: Codec = {
  compress(bytes) {
    const { compressSync } = snappy()
    const parts: Buffer[] = [header]
    for (let start = 0; start < bytes.length; start += blockInputBytes) {
      const block = compressSync(bytes.subarray(start, start + blockInputBytes))
      const length = Buffer.allocUnsafe(4)
      writeInt32(length, 0, block.length)
      parts.push(length, block)
    }
    return Buffer.concat(parts)
  },

  decompress(bytes, maxBytes) {
    if (!isFramed(bytes)) {
      checkBound(rawSize(bytes), maxBytes)
      return uncompress(bytes)
    }
    let sizeBytes = 0
    forEachBlock(bytes, (block) => {
      sizeBytes += rawSize(block)
      checkBound(sizeBytes, maxBytes)
    })
    const target = Buffer.allocUnsafe(sizeBytes)
    let position = 0
    forEachBlock(bytes, (block) => {
      const plain = uncompress(block)
      target.set(plain, position)
      position += plain.length
    })
    return target.subarray(0, position)
  },
}

function checkBound(sizeBytes: number, maxBytes: number): void {
  if (sizeBytes > maxBytes) throw tooLarge(sizeBytes, maxBytes)
}

function isFramed(bytes: Buffer): boolean {
  return bytes.length >= header.length && bytes.compare(header, 0, magicSize, 0, magicSize) === 0
}

function uncompress(block: Buffer): Buffer {
  const { uncompressSync } = snappy()
  try {
    return uncompressSync(block) as Buffer
  } catch (error) {
    throw brokenData('snappy', error)
  }
}

function forEachBlock(bytes: Buffer, visit: (block: Buffer) => void): void {
  let position = header.length
  while (position < bytes.length) {
    if (bytes.length - position < 4) throw cutOff(position)
    const length = readInt32(bytes, position)
    if (length === magicAsLength) {
      if (bytes.length - position < header.length) throw cutOff(position)
      position += header.length
      continue
    }
    position += 4
    if (length < 0 || length > bytes.length - position) {
      throw new CorruptBatchError(
        `snappy block at byte ${position} declares ${length} bytes: ${bytes.length - position} are left`,
      )
    }
    visit(bytes.subarray(position, position + length))
    position += length
  }
}

function cutOff(position: number): CorruptBatchError {
  return new CorruptBatchError(`snappy stream ends inside a block header at byte ${position}`)
}

/** The size a raw block says it will have, checked against what its bytes can possibly make. */
function rawSize(block: Buffer): number {
  let size = 0
  for (let index = 0; ; index++) {
    const byte = block[index]
    if (byte === undefined || index === 5) {
      throw new CorruptBatchError('snappy block does not begin with its size')
    }
    size += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) break
  }
  if (size > block.length * maxRatio) {
    throw new CorruptBatchError(
      `snappy block of ${block.length} bytes declares ${size} bytes, which it cannot hold`,
    )
  }
  return size
}
