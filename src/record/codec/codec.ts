import { createRequire } from 'node:module'
import {
  BatchTooLargeError,
  CodecUnavailableError,
  CorruptBatchError,
  LogError,
} from '../../base/errors.ts'

/**
 * One compression format, in the framing Kafka's clients expect. Adding a codec is one file with
 * an object of this type and one line in compression.ts.
 */
export interface Codec {
  /**
   * Compresses all of `bytes`. `level` undefined means the format's default; a codec without
   * levels ignores it. The result is the caller's.
   */
  compress(bytes: Buffer, level: number | undefined): Buffer
  /**
   * Restores what was compressed. Throws CorruptBatchError for broken data and BatchTooLargeError
   * when the result would exceed `maxBytes`, before memory for more than that is taken;
   * CodecUnavailableError when nobody can tell, for want of the library.
   * The result is the caller's; it may be a view of a larger allocation, never of `bytes`.
   */
  decompress(bytes: Buffer, maxBytes: number): Buffer
}

/** The error for a result above its bound; `sizeBytes` is what is known of it, at least. */
export function tooLarge(sizeBytes: number, maxBytes: number): BatchTooLargeError {
  return new BatchTooLargeError({ sizeBytes, limitBytes: maxBytes, limit: 'decompressed' })
}

/** Turns what a library threw into the error of this engine; LogErrors pass unchanged. */
export function brokenData(codec: string, error: unknown): LogError {
  if (error instanceof LogError) return error
  const detail = error instanceof Error ? error.message : String(error)
  return new CorruptBatchError(`${codec} data is broken: ${detail}`, { cause: error })
}

/**
 * Gives the package of a codec, which is loaded when the first batch needs it: start-up must not pay for it.
 * Throws CodecUnavailableError as long as it does not load. Call it before the bytes can be blamed.
 */
export function codecPackage<Library>(codec: string, name: string): () => Library {
  let loaded: Library | undefined
  return () => {
    try {
      loaded ??= createRequire(import.meta.url)(name) as Library
      return loaded
    } catch (cause) {
      throw new CodecUnavailableError({ codec, package: name }, { cause })
    }
  }
}
