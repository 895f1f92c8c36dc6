/**
 * Keys, values and headers of a record as bytes: how long they are, and written where they go.
 *
 *     field   := length: varint (−1 for null), bytes   // text as UTF-8
 *     headers := count: varint, (key: field, value: field)*
 *
 * Short ones go byte by byte: up to the lengths below that beats the call into the runtime.
 */
import type { RecordBytes } from './record.ts'
import { varintSize, writeVarint } from './varint.ts'

const shortStringLength = 20
const shortBytesLength = 12
/** Bytes that would have to be cut out of a larger array first. */
const shortCopyLength = 48
export const nullLength = -1

/** Encoded length in bytes, −1 for null. */
export function byteLengthOf(value: RecordBytes | null): number {
  if (value === null) return nullLength
  if (typeof value !== 'string') return value.length
  return isShortAscii(value) ? value.length : Buffer.byteLength(value)
}

function isShortAscii(text: string): boolean {
  if (text.length > shortStringLength) return false
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) > 0x7f) return false
  }
  return true
}

/** Bytes of length prefix and content, for a length of −1 too. */
export function fieldSize(length: number): number {
  return length < 0 ? 1 : varintSize(length) + length
}

/** Bytes of headers laid flat: key, value, key, value, …. */
export function headersSize(headers: readonly (RecordBytes | null)[]): number {
  let size = varintSize(headers.length / 2)
  for (const part of headers) size += fieldSize(byteLengthOf(part))
  return size
}

/** Writes count and headers. @returns position after them, as the others do. */
export function writeHeaders(
  bytes: Buffer,
  position: number,
  headers: readonly (RecordBytes | null)[],
): number {
  position = writeVarint(bytes, position, headers.length / 2)
  for (const part of headers) position = writeField(bytes, position, part, byteLengthOf(part))
  return position
}

/** Writes length prefix and content; `length` is what `byteLengthOf(value)` said. */
export function writeField(
  bytes: Buffer,
  position: number,
  value: RecordBytes | null,
  length: number,
): number {
  position = writeVarint(bytes, position, length)
  if (value === null) return position
  if (typeof value !== 'string') {
    if (length <= shortBytesLength) writeShort(bytes, position, value)
    else bytes.set(value, position)
  } else if (length !== value.length) bytes.write(value, position, length, 'utf8')
  else if (length <= shortStringLength) writeAscii(bytes, position, value)
  else bytes.write(value, position, length, 'latin1') // ASCII: a plain copy
  return position + length
}

function writeShort(bytes: Buffer, position: number, value: Uint8Array): void {
  for (let index = 0; index < value.length; index++) bytes[position + index] = value[index]!
}

function writeAscii(bytes: Buffer, position: number, text: string): void {
  for (let index = 0; index < text.length; index++) bytes[position + index] = text.charCodeAt(index)
}

/** Writes `source[start, end)`. */
export function copyBytes(
  bytes: Buffer,
  position: number,
  source: Uint8Array,
  start: number,
  end: number,
): number {
  const length = end - start
  if (length <= shortCopyLength) {
    for (let index = 0; index < length; index++) bytes[position + index] = source[start + index]!
  } else bytes.set(length === source.length ? source : source.subarray(start, end), position)
  return position + length
}
