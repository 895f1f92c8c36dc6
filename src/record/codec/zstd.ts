/**
 * Zstandard (RFC 8878) by node:zlib where Node has it (22.15 on), else by a prebuilt package.
 *
 * zlib bounds its output itself, but takes a stream that ends early for a whole one and stops,
 * without a word, after the first of several frames: it is given one whole frame at a time.
 *
 * The package decompresses into memory without a bound, so the skeleton of the stream is measured
 * first (zstd-frame.ts). That measure rounds each compressed block up to 128 KiB, hence the slack
 * before it refuses, and a final exact check.
 */
import * as zlib from 'node:zlib'
import { mebibyte } from '../../base/units.ts'
import { brokenData, type Codec, codecPackage, tooLarge } from './codec.ts'
import { findZstdFrames, type ZstdFrame } from './zstd-frame.ts'

const defaultLevel = 3
const boundSlackBytes = 8 * mebibyte

/** The part of node:zlib that appeared in 22.15 and that the types of Node 20 do not know. */
type ZlibWithZstd = {
  zstdCompressSync(bytes: Buffer, options: { params: Record<number, number> }): Buffer
  zstdDecompressSync(bytes: Buffer, options: { maxOutputLength: number }): Buffer
  constants: { ZSTD_c_compressionLevel: number }
}

const hasZlibZstd = 'zstdCompressSync' in zlib

/** Undefined where node:zlib has no zstd. */
export const zlibZstdCodec: Codec | undefined = hasZlibZstd
  ? makeZlibCodec(zlib as unknown as ZlibWithZstd)
  : undefined

function makeZlibCodec(implementation: ZlibWithZstd): Codec {
  const levelKey = implementation.constants.ZSTD_c_compressionLevel
  return {
    compress(bytes, level = defaultLevel) {
      return implementation.zstdCompressSync(bytes, { params: { [levelKey]: level } })
    },

    decompress(bytes, maxBytes) {
      const frames = findZstdFrames(bytes)
      const parts: Buffer[] = []
      let total = 0
      for (const { start, end } of frames) {
        const part = decompressFrame(bytes.subarray(start, end), maxBytes - total, maxBytes)
        total += part.length
        if (total > maxBytes) throw tooLarge(total, maxBytes)
        parts.push(part)
      }
      return parts.length === 1 ? parts[0]! : Buffer.concat(parts, total)
    },
  }

  function decompressFrame(frame: Buffer, left: number, maxBytes: number): Buffer {
    try {
      return implementation.zstdDecompressSync(frame, { maxOutputLength: Math.max(1, left) })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
        throw tooLarge(maxBytes + 1, maxBytes)
      }
      throw brokenData('zstd', error)
    }
  }
}

const packageName = '@toondepauw/node-zstd'
const zstdPackage = codecPackage<typeof import('@toondepauw/node-zstd')>('zstd', packageName)

/** Levels −7 … 22; lower ones count as −7. */
export const packageZstdCodec: Codec = {
  compress(bytes, level = defaultLevel) {
    const { Encoder } = zstdPackage()
    return new Encoder(Math.max(-7, level)).encodeSync(bytes)
  },

  decompress(bytes, maxBytes) {
    const bound = boundOf(findZstdFrames(bytes))
    if (bound > maxBytes + boundSlackBytes) throw tooLarge(bound, maxBytes)
    const { Decoder } = zstdPackage()
    let result: Buffer
    try {
      result = new Decoder().decodeSync(bytes)
    } catch (error) {
      throw brokenData('zstd', error)
    }
    if (result.length > maxBytes) throw tooLarge(result.length, maxBytes)
    return result
  },
}

function boundOf(frames: readonly ZstdFrame[]): number {
  let bound = 0
  for (const frame of frames) bound += frame.boundBytes
  return bound
}

export const zstdCodec: Codec = zlibZstdCodec ?? packageZstdCodec
