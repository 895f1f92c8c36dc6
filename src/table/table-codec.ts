/**
 * How keys and values of a table become bytes and come back. Keys are ordered by their bytes.
 *
 * | name     | value                       | bytes                | order of keys                   |
 * | -------- | --------------------------- | -------------------- | ------------------------------- |
 * | `bytes`  | Buffer (any Uint8Array in)  | themselves           | as unsigned bytes               |
 * | `string` | string, no lone surrogates  | UTF-8                | by code point                   |
 * | `json`   | what JSON.stringify takes   | its text as UTF-8    | of that text: seldom useful     |
 * | `uint64` | integer from 0 to 2^53 − 1  | 8, big-endian        | by number                       |
 *
 * An own codec is an object with a name of its own; the name is stored with the table.
 */
import { types } from 'node:util'
import { InvalidOptionError } from '../base/errors.ts'
import { readInt64OrNaN, writeInt64 } from '../record/int64.ts'

/** An own codec. `decode(encode(value))` must give `value`; equal values must give equal bytes. */
export type TableCodec<T> = {
  /** 1–64 characters of a–z A–Z 0–9 . _ -, and none of the built-in names. */
  readonly name: string
  /** Bytes of `value`; the table copies them before the call that needed them returns. */
  encode(value: T): Uint8Array
  /** `bytes` are the codec's own to keep. */
  decode(bytes: Buffer): T
}

export type BuiltInCodecs = { bytes: Buffer; string: string; json: unknown; uint64: number }

export type CodecChoice =
  | keyof BuiltInCodecs
  | { readonly name: string; encode(value: never): Uint8Array; decode(bytes: Buffer): unknown }

/** The type of what a codec encodes. */
export type CodecValue<Choice> = Choice extends keyof BuiltInCodecs
  ? BuiltInCodecs[Choice]
  : Choice extends { decode(bytes: Buffer): infer T }
    ? T
    : never

/** A codec as the table uses it. */
export type Transcoder<T> = {
  readonly name: string
  /**
   * What is to be stored: bytes, or text that stands for its UTF-8. Not a copy.
   * Throws InvalidOptionError, naming `option`, for what the codec cannot encode.
   */
  prepare(value: T, option: string): Uint8Array | string
  /** Decodes `bytes[start, end)`; what it returns is the caller's own. */
  decode(bytes: Buffer, start: number, end: number): T
}

const bytesTranscoder: Transcoder<Buffer> = {
  name: 'bytes',
  prepare(value, option) {
    if (value instanceof Uint8Array || types.isUint8Array(value)) return value
    throw new InvalidOptionError({ option, value, expected: 'a Uint8Array' })
  },
  decode: copyOf,
}

const stringTranscoder: Transcoder<string> = {
  name: 'string',
  prepare(value, option) {
    if (typeof value === 'string' && value.isWellFormed()) return value
    throw new InvalidOptionError({ option, value, expected: 'a string without lone surrogates' })
  },
  decode: textOf,
}

const jsonTranscoder: Transcoder<unknown> = {
  name: 'json',
  prepare(value, option) {
    let text: string | undefined
    let reason = ''
    try {
      text = JSON.stringify(value)
    } catch (error) {
      reason = ` (${error instanceof Error ? error.message : String(error)})`
    }
    if (text !== undefined) return text
    throw new InvalidOptionError({ option, value, expected: `what JSON can hold${reason}` })
  },
  decode: (bytes, start, end) => JSON.parse(textOf(bytes, start, end)),
}

const uint64Transcoder: Transcoder<number> = {
  name: 'uint64',
  prepare(value, option) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new InvalidOptionError({ option, value, expected: 'an integer from 0 to 2^53 − 1' })
    }
    const bytes = Buffer.allocUnsafe(8)
    writeInt64(bytes, 0, value)
    return bytes
  },
  decode(bytes, start, end) {
    const value = end - start === 8 ? readInt64OrNaN(bytes, start) : Number.NaN
    if (value >= 0) return value
    throw new RangeError(`${end - start} bytes are no uint64 below 2^53`)
  },
}

const builtIn: Readonly<Record<string, Transcoder<never>>> = {
  bytes: bytesTranscoder as Transcoder<never>,
  string: stringTranscoder as Transcoder<never>,
  json: jsonTranscoder as Transcoder<never>,
  uint64: uint64Transcoder as Transcoder<never>,
}

/** The codec a caller chose. Throws InvalidOptionError naming `option`. */
export function transcoderOf<T>(choice: unknown, option: string): Transcoder<T> {
  const names = Object.keys(builtIn)
  if (typeof choice === 'string' && Object.hasOwn(builtIn, choice)) {
    return builtIn[choice] as unknown as Transcoder<T>
  }
  if (!isOwnCodec(choice) || names.includes(choice.name)) {
    throw new InvalidOptionError({
      option,
      value: choice,
      expected: `one of ${names.join(', ')}, or { name, encode, decode } with another name`,
    })
  }
  return ownTranscoder(choice as TableCodec<T>)
}

function isOwnCodec(choice: unknown): choice is TableCodec<unknown> {
  if (typeof choice !== 'object' || choice === null) return false
  const { name, encode, decode } = choice as Record<string, unknown>
  return (
    typeof name === 'string' &&
    /^[a-zA-Z0-9._-]{1,64}$/.test(name) &&
    typeof encode === 'function' &&
    typeof decode === 'function'
  )
}

function ownTranscoder<T>(codec: TableCodec<T>): Transcoder<T> {
  return {
    name: codec.name,
    prepare(value, option) {
      const bytes: unknown = codec.encode(value)
      if (types.isUint8Array(bytes)) return bytes
      const expected = `a Uint8Array from encode() of codec ${codec.name}`
      throw new InvalidOptionError({ option, value: bytes, expected })
    },
    decode: (bytes, start, end) => codec.decode(copyOf(bytes, start, end)),
  }
}

/** Up to this length a loop beats the calls into the runtime. */
const shortLength = 32

function copyOf(bytes: Buffer, start: number, end: number): Buffer {
  const length = end - start
  const copy = Buffer.allocUnsafe(length)
  if (length > shortLength) copy.set(bytes.subarray(start, end))
  else for (let index = 0; index < length; index++) copy[index] = bytes[start + index]!
  return copy
}

function textOf(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('utf8', start, end)
}
