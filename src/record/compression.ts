/**
 * Compression of the records section of a batch, by codec name. Everything is synchronous: a
 * batch is at most a few megabytes, and a thread-pool turn costs more than it saves on most.
 */
import { BatchTooLargeError, InvalidOptionError } from '../base/errors.ts'
import { mebibyte } from '../base/units.ts'
import type { Codec } from './codec/codec.ts'
import { gzipCodec } from './codec/gzip.ts'
import { lz4Codec } from './codec/lz4.ts'
import { snappyCodec } from './codec/snappy.ts'
import { zstdCodec } from './codec/zstd.ts'
import { type CodecName, codecIdOf } from './codec-name.ts'

/** Bound on one decompressed batch unless the caller sets another. */
export const defaultMaxDecompressedBytes: number = 128 * mebibyte

const copyCodec: Codec = {
  compress: (bytes) => bytes,
  decompress(bytes, maxBytes) {
    if (bytes.length > maxBytes) {
      throw new BatchTooLargeError({
        sizeBytes: bytes.length,
        limitBytes: maxBytes,
        limit: 'decompressed',
      })
    }
    return bytes
  },
}

const codecs: Readonly<Record<CodecName, Codec>> = {
  none: copyCodec,
  gzip: gzipCodec,
  snappy: snappyCodec,
  lz4: lz4Codec,
  zstd: zstdCodec,
}

/** Levels each codec accepts, both bounds inclusive. `gzip` also takes −1, its default. */
const levelRanges: Readonly<Record<CodecName, readonly [number, number] | undefined>> = {
  none: undefined,
  gzip: [-1, 9],
  snappy: undefined,
  lz4: [1, 17],
  zstd: [-131_072, 22],
}

/** Throws InvalidOptionError unless `level` suits `codec`. Undefined always does. */
export function checkCompressionLevel(codec: CodecName, level: number | undefined): void {
  codecIdOf(codec)
  if (level === undefined) return
  const range = levelRanges[codec]
  const isInRange =
    range !== undefined && Number.isInteger(level) && level >= range[0] && level <= range[1]
  if (!isInRange || (codec === 'gzip' && level === 0)) {
    throw new InvalidOptionError({
      option: 'compression level',
      value: level,
      expected:
        range === undefined
          ? `none: ${codec} has no levels`
          : `an integer from ${range[0]} to ${range[1]}${codec === 'gzip' ? ', not 0' : ''}`,
    })
  }
}

/**
 * Compresses all of `bytes`. With codec `none` the result is `bytes` itself, else a buffer of the
 * caller's own.
 *
 * @param level  see `checkCompressionLevel`; undefined for the codec's default.
 */
export function compress(codec: CodecName, bytes: Buffer, level?: number): Buffer {
  return codecs[codec].compress(bytes, level)
}

/**
 * Restores compressed bytes; with codec `none` the result is `bytes` itself.
 *
 * Throws BatchTooLargeError (`limit: 'decompressed'`) rather than take memory for a result above
 * `maxBytes`, CorruptBatchError for broken data.
 */
export function decompress(codec: CodecName, bytes: Buffer, maxBytes: number): Buffer {
  return codecs[codec].decompress(bytes, maxBytes)
}
