/**
 * What stands before every body.
 *
 *     request header v1 := api_key: int16, api_version: int16, correlation_id: int32,
 *                          client_id: classic nullable string
 *     request header v2 := v1, tags                  // when the body's version is flexible
 *     response header v0 := correlation_id: int32
 *     response header v1 := v0, tags                 // flexible, except every ApiVersions answer
 *
 * The client id keeps the classic encoding in v2. Written tag buffers are always empty: one byte.
 */
import type { WireReader } from './wire-reader.ts'
import type { WireWriter } from './wire-writer.ts'

export type RequestHeader = {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
}

/** The part of a request header that is the same in every version; 8 bytes. */
export function readRequestKey(reader: WireReader): Omit<RequestHeader, 'clientId'> {
  const apiKey = reader.int16()
  const apiVersion = reader.int16()
  const correlationId = reader.int32()
  return { apiKey, apiVersion, correlationId }
}

/** What follows readRequestKey. `hasTags` when the body's version is flexible. */
export function readClientId(reader: WireReader, hasTags: boolean): string | null {
  const clientId = reader.nullableString()
  if (hasTags) skipTags(reader)
  return clientId
}

export function writeRequestHeader(
  writer: WireWriter,
  header: RequestHeader,
  hasTags: boolean,
): void {
  writer.int16(header.apiKey)
  writer.int16(header.apiVersion)
  writer.int32(header.correlationId)
  if (header.clientId === null) writer.nullString()
  else writer.string(header.clientId)
  if (hasTags) writer.uvarint(0)
}

export function writeResponseHeader(
  writer: WireWriter,
  header: { correlationId: number; hasTags: boolean },
): void {
  writer.int32(header.correlationId)
  if (header.hasTags) writer.uvarint(0)
}

export function readResponseHeader(reader: WireReader, hasTags: boolean): number {
  const correlationId = reader.int32()
  if (hasTags) skipTags(reader)
  return correlationId
}

function skipTags(reader: WireReader): void {
  const count = reader.tagCount()
  if (count > 0) reader.tags(count, () => {})
}
