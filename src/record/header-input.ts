/** Headers as a caller may give them, checked and laid flat for the encoder. */
import { types } from 'node:util'
import { InvalidOptionError } from '../base/errors.ts'
import type { RecordBytes, RecordHeadersInput } from './record.ts'

/** What may stand for a key or a value. */
export const fieldShape = 'a string, a Uint8Array or null'
const headersShape = 'an object of names and values, or an array of { key, value }'

/**
 * Headers as key, value, key, value, …, checked. A snapshot: nothing the caller's getters do
 * between measuring and writing can break the batch.
 */
export function flattenHeaders(headers: RecordHeadersInput): (RecordBytes | null)[] {
  if (typeof headers !== 'object' || headers === null || types.isUint8Array(headers)) {
    throw new InvalidOptionError({
      option: 'record.headers',
      value: headers,
      expected: headersShape,
    })
  }
  const flat: (RecordBytes | null)[] = []
  if (Array.isArray(headers)) {
    for (const header of headers) {
      const { key, value } = header ?? {}
      if (typeof key !== 'string') {
        const option = `record.headers[${flat.length / 2}].key`
        throw new InvalidOptionError({ option, value: key, expected: 'a string' })
      }
      if (!isField(value)) throw badHeader(`[${flat.length / 2}].value`, value)
      flat.push(key, value)
    }
    return flat
  }
  for (const [key, value] of Object.entries(headers)) {
    if (!isField(value)) throw badHeader(`[${JSON.stringify(key)}]`, value)
    flat.push(key, value)
  }
  return flat
}

function isField(value: unknown): value is RecordBytes | null {
  return typeof value === 'string' || value === null || types.isUint8Array(value)
}

function badHeader(place: string, value: unknown): InvalidOptionError {
  return new InvalidOptionError({
    option: `record.headers${place}`,
    value,
    expected: fieldShape,
  })
}
