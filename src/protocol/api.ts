/**
 * One API of the protocol: its key, the versions there are, and what its requests and responses
 * look like in each. Frames are written and read whole, header included, on either side of a
 * connection, by the same description.
 *
 *     request frame  := size: int32, request header, body
 *     response frame := size: int32, response header, body      (headers: see headers.ts)
 */
import { type Codec, compileStruct } from './codec.ts'
import {
  type RequestHeader,
  readResponseHeader,
  writeRequestHeader,
  writeResponseHeader,
} from './headers.ts'
import {
  type Fields,
  inRange,
  type ReadOf,
  type VersionRange,
  versionRange,
  type WriteOf,
} from './schema.ts'
import { WireReader } from './wire-reader.ts'
import { type WireFrame, WireWriter } from './wire-writer.ts'

export type Api<Request extends Fields = Fields, Response extends Fields = Fields> = {
  readonly key: number
  readonly name: string
  readonly versions: VersionRange
  /** Versions with compact encodings and tag buffers. */
  readonly flexible: VersionRange
  readonly request: Request
  readonly response: Response
  /** Compiled on first use, one per version. */
  readonly codecs: { readonly request: Codec[]; readonly response: Codec[] }
}

/** What a reader makes of a request, and what a writer of one takes. */
export type RequestOf<A> = A extends Api<infer Q, infer _R> ? ReadOf<Q> : never
export type RequestInputOf<A> = A extends Api<infer Q, infer _R> ? WriteOf<Q> : never
/** What a reader makes of a response, and what a writer of one takes. */
export type ResponseOf<A> = A extends Api<infer _Q, infer R> ? ReadOf<R> : never
export type ResponseInputOf<A> = A extends Api<infer _Q, infer R> ? WriteOf<R> : never

/** `flexible` is left out when no version is. */
export function defineApi<const Request extends Fields, const Response extends Fields>(api: {
  key: number
  name: string
  versions: string
  flexible?: string
  request: Request
  response: Response
}): Api<Request, Response> {
  return {
    ...api,
    versions: versionRange(api.versions),
    flexible: api.flexible === undefined ? { min: 0, max: -1 } : versionRange(api.flexible),
    codecs: { request: [], response: [] },
  }
}

export function isFlexible(api: Api, version: number): boolean {
  return inRange(api.flexible, version)
}

function codec(api: Api, side: 'request' | 'response', version: number): Codec {
  const compiled = api.codecs[side]
  return (compiled[version] ??= compileStruct(api[side], version, isFlexible(api, version)))
}

/** Reads a request body; `reader` stands behind the header. Bytes behind the body are ignored. */
export function readRequest<A extends Api>(
  api: A,
  version: number,
  reader: WireReader,
): RequestOf<A> {
  return codec(api, 'request', version).read(reader) as RequestOf<A>
}

/** Writes a response frame. On error, file slices in `body` are still the caller's to release. */
export function writeResponse<A extends Api>(
  api: A,
  version: number,
  correlationId: number,
  body: ResponseInputOf<A>,
): WireFrame {
  const writer = new WireWriter()
  try {
    writeResponseHeader(writer, { correlationId, hasTags: hasResponseTags(api, version) })
    codec(api, 'response', version).write(writer, body)
    return writer.finish()
  } catch (error) {
    writer.abandon()
    throw error
  }
}

/** Writes a request frame, as a client does. */
export function writeRequest<A extends Api>(
  api: A,
  header: Omit<RequestHeader, 'apiKey'>,
  body: RequestInputOf<A>,
): WireFrame {
  const writer = new WireWriter()
  try {
    const hasTags = isFlexible(api, header.apiVersion)
    writeRequestHeader(writer, { apiKey: api.key, ...header }, hasTags)
    codec(api, 'request', header.apiVersion).write(writer, body)
    return writer.finish()
  } catch (error) {
    writer.abandon()
    throw error
  }
}

/** Reads a response as a client does. `frame` is without its length prefix. */
export function readResponse<A extends Api>(
  api: A,
  version: number,
  frame: Buffer,
): { correlationId: number; body: ResponseOf<A> } {
  const reader = new WireReader(frame)
  const correlationId = readResponseHeader(reader, hasResponseTags(api, version))
  const body = codec(api, 'response', version).read(reader) as ResponseOf<A>
  return { correlationId, body }
}

const apiVersionsKey = 18

/** Answers of ApiVersions have the oldest header, so that a client can read any of them. */
function hasResponseTags(api: Api, version: number): boolean {
  return api.key !== apiVersionsKey && isFlexible(api, version)
}
