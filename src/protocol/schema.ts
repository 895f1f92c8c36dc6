/**
 * The language in which the messages of the Kafka protocol are described, once per message, for
 * every version and both directions. Types, readers and writers follow from it (codec.ts).
 *
 *     request: {
 *       topics: array({ topicId: uuid('10+', { ignorable: true }),
 *                       name: string('0+', { nullable: '10+' }) }, '0+', { nullable: '1+' }),
 *       allowAutoTopicCreation: bool('4+', { default: true }),
 *     }
 *
 * Property order is wire order. A field is on the wire when the message's version is in its
 * `versions` ('0+' when left out; '3', '8-10', '3+'). Options:
 *
 *   nullable   versions in which null is allowed; elsewhere null is refused, read or written
 *   tag        the field travels in the tag buffer of its struct, and only when not default
 *   default    what a reader gets for a field that is not on the wire; otherwise 0, false, '',
 *              the zero uuid, no bytes, an empty array, a struct of defaults
 *   ignorable  a writer drops a value that the version has no place for; otherwise it throws
 *
 * In the types for writing, fields with a `default`, `ignorable` or `tag` may be left out.
 */
import type { RecordsSource } from './wire-writer.ts'

/** Inclusive bounds; empty when `max < min`. */
export type VersionRange = { readonly min: number; readonly max: number }

/** Name of the "no id" uuid in the 22-character form. */
export const zeroUuid = 'AAAAAAAAAAAAAAAAAAAAAA'

export type PrimitiveKind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'float64'
  | 'uuid'
  | 'string'
  | 'bytes'
  | 'records'

export type FieldShape =
  | { readonly kind: PrimitiveKind; readonly saturate?: boolean }
  | { readonly kind: 'array'; readonly element: FieldShape }
  | { readonly kind: 'struct'; readonly fields: Fields }

/** One described field. `Read` and `Write` are its types, `Optional` whether a writer needs it. */
export type Field<Read = unknown, Write = unknown, Optional = boolean> = {
  readonly shape: FieldShape
  readonly versions: VersionRange
  readonly nullable: VersionRange
  readonly tag: number | undefined
  readonly default: unknown
  readonly ignorable: boolean
  /** Types only, never a value. A plain name, because declarations of schemas must be able to say it. */
  readonly '~types'?: { read: Read; write: Write; optional: Optional }
}

export type Fields = { readonly [name: string]: Field }

/** What a reader makes of `fields`. */
export type ReadOf<F extends Fields> = { -readonly [K in keyof F]: FieldRead<F[K]> }

/** What a writer of `fields` takes. */
export type WriteOf<F extends Fields> = {
  [K in keyof F as FieldOptional<F[K]> extends true ? never : K]: FieldWrite<F[K]>
} & {
  [K in keyof F as FieldOptional<F[K]> extends true ? K : never]?: FieldWrite<F[K]> | undefined
}

type FieldRead<F> = F extends Field<infer Read, infer _W, infer _O> ? Read : never
type FieldWrite<F> = F extends Field<infer _R, infer Write, infer _O> ? Write : never
type FieldOptional<F> = F extends Field<infer _R, infer _W, infer Optional> ? Optional : never

type Options<Value> = {
  readonly nullable?: string
  readonly tag?: number
  readonly default?: Value | null
  readonly ignorable?: true
}

type OrNull<T, O> = O extends { nullable: string } ? T | null : T
type IsOptional<O> = O extends { default: unknown } | { tag: number } | { ignorable: true }
  ? true
  : false
type Made<Read, Write, O> = Field<OrNull<Read, O>, OrNull<Write, O>, IsOptional<O>>

// `const Given` keeps the options as literals, from which OrNull and IsOptional are told.
type Primitive<Value, Write = Value> = <const Given extends Options<Value> = Record<never, never>>(
  versions?: string,
  options?: Given,
) => Made<Value, Write, Given>

function primitive<Value, Write = Value>(kind: PrimitiveKind): Primitive<Value, Write> {
  return (versions, options) => makeField({ kind }, versions, options) as never
}

export const bool: Primitive<boolean> = primitive('bool')
export const int8: Primitive<number> = primitive('int8')
export const int16: Primitive<number> = primitive('int16')
export const uint16: Primitive<number> = primitive('uint16')
export const int32: Primitive<number> = primitive('int32')
export const uint32: Primitive<number> = primitive('uint32')
/** A 64-bit integer that must be safe: anything else ends the connection. */
export const int64: Primitive<number> = primitive('int64')
export const float64: Primitive<number> = primitive('float64')
/** 22 characters of URL-safe base64. */
export const uuid: Primitive<string> = primitive('uuid')
export const string: Primitive<string> = primitive('string')
/** Read as a view of the frame. */
export const bytes: Primitive<Buffer> = primitive('bytes')
/** Record batches: read as a view of the frame, written from memory or from regions of files. */
export const records: Primitive<Buffer, RecordsSource> = primitive('records')

/**
 * A 64-bit integer a client may rightly set beyond 2^53 (an offset or time "at the far end"): read
 * as ±(2^53 − 1) then, and answered like any other value no log has.
 */
export function saturatedInt64<const Given extends Options<number> = Record<never, never>>(
  versions?: string,
  options?: Given,
): Made<number, number, Given> {
  return makeField({ kind: 'int64', saturate: true }, versions, options) as never
}

type ElementRead<E> = E extends Field ? FieldRead<E> : E extends Fields ? ReadOf<E> : never
type ElementWrite<E> = E extends Field ? FieldWrite<E> : E extends Fields ? WriteOf<E> : never

/** An array of structs (given by their fields) or of primitives (`array(int32())`). */
export function array<
  const Element extends Field | Fields,
  const Given extends Options<readonly never[]> = Record<never, never>,
>(
  element: Element,
  versions?: string,
  options?: Given,
): Made<readonly ElementRead<Element>[], readonly ElementWrite<Element>[], Given> {
  return makeField({ kind: 'array', element: elementShape(element) }, versions, options) as never
}

/** A struct inside a struct. */
export function struct<
  const F extends Fields,
  const Given extends Options<never> = Record<never, never>,
>(fields: F, versions?: string, options?: Given): Made<ReadOf<F>, WriteOf<F>, Given> {
  return makeField({ kind: 'struct', fields }, versions, options) as never
}

function elementShape(element: Field | Fields): FieldShape {
  return isField(element) ? element.shape : { kind: 'struct', fields: element }
}

function isField(value: Field | Fields): value is Field {
  return 'shape' in value && 'versions' in value
}

const noVersions: VersionRange = { min: 0, max: -1 }

function makeField(
  shape: FieldShape,
  versions: string | undefined,
  options: Options<unknown> | undefined,
): Field {
  return {
    shape,
    versions: versionRange(versions ?? '0+'),
    nullable: options?.nullable === undefined ? noVersions : versionRange(options.nullable),
    tag: options?.tag,
    default: options?.default,
    ignorable: options?.ignorable === true,
  }
}

/** Parses '3', '3+' or '3-7'. */
export function versionRange(text: string): VersionRange {
  const match = /^(\d+)(?:(\+)|-(\d+))?$/.exec(text)
  if (match === null) throw new TypeError(`${JSON.stringify(text)} is no range of versions`)
  const min = Number(match[1])
  if (match[2] !== undefined) return { min, max: 32_767 }
  return { min, max: match[3] === undefined ? min : Number(match[3]) }
}

export function inRange(range: VersionRange, version: number): boolean {
  return version >= range.min && version <= range.max
}
