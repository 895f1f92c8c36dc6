/**
 * Compiles the description of a struct (schema.ts), for one version, into a reader and a writer.
 * What a version means is decided here, once; reading and writing then walk flat arrays of
 * closures and allocate nothing but the values themselves.
 */
import { assert } from '../base/assert.ts'
import { ProtocolError } from './protocol-error.ts'
import { type Field, type FieldShape, type Fields, inRange, zeroUuid } from './schema.ts'
import type { WireReader } from './wire-reader.ts'
import type { WirePart, WireWriter } from './wire-writer.ts'

export type Codec = {
  read(reader: WireReader): unknown
  write(writer: WireWriter, value: unknown): void
  /** The fewest bytes a value takes on the wire. */
  readonly minBytes: number
}

type Struct = Record<string, unknown>
type Version = { readonly number: number; readonly isFlexible: boolean }
/** One field as one version sees it. */
type Slot = { readonly name: string; readonly codec: Codec }
type TaggedSlot = Slot & { readonly tag: number; readonly default: unknown }

export function compileStruct(fields: Fields, version: number, isFlexible: boolean): Codec {
  return structCodec(fields, { number: version, isFlexible })
}

function structCodec(fields: Fields, version: Version): Codec {
  const plain: Slot[] = []
  const tagged: TaggedSlot[] = []
  const absent: { name: string; default: unknown }[] = []
  const template: Struct = {}
  for (const [name, field] of Object.entries(fields)) {
    template[name] = defaultOf(field)
    if (!inRange(field.versions, version.number)) {
      if (!field.ignorable) absent.push({ name, default: template[name] })
      continue
    }
    const codec = fieldCodec(field, version)
    if (field.tag === undefined) plain.push({ name, codec })
    else tagged.push({ name, codec, tag: field.tag, default: template[name] })
  }
  tagged.sort((a, b) => a.tag - b.tag)
  assert(tagged.length === 0 || version.isFlexible, 'tagged fields live in flexible versions')
  const minBytes = plain.reduce(
    (sum, slot) => sum + slot.codec.minBytes,
    version.isFlexible ? 1 : 0,
  )
  return {
    minBytes,
    read: structReader(plain, tagged, template, version),
    write: structWriter(plain, tagged, absent, template, version),
  }
}

function structReader(
  plain: readonly Slot[],
  tagged: readonly TaggedSlot[],
  template: Struct,
  version: Version,
): Codec['read'] {
  const readTags = tagsReader(tagged)
  return (reader) => {
    // A copy of one template, so that all values of a struct share a hidden class.
    const value = { ...template }
    for (let i = 0; i < plain.length; i++) {
      const slot = plain[i]!
      value[slot.name] = slot.codec.read(reader)
    }
    if (version.isFlexible) readTags(reader, value)
    return value
  }
}

function tagsReader(tagged: readonly TaggedSlot[]): (reader: WireReader, value: Struct) => void {
  const byTag = new Map(tagged.map((slot) => [slot.tag, slot]))
  return (reader, value) => {
    const count = reader.tagCount()
    if (count === 0) return
    reader.tags(count, (tag) => {
      const slot = byTag.get(tag)
      if (slot !== undefined) value[slot.name] = slot.codec.read(reader)
    })
  }
}

function structWriter(
  plain: readonly Slot[],
  tagged: readonly TaggedSlot[],
  absent: readonly { name: string; default: unknown }[],
  template: Struct,
  version: Version,
): Codec['write'] {
  return (writer, source) => {
    const value = source as Struct
    for (let i = 0; i < absent.length; i++) {
      const slot = absent[i]!
      const given = value[slot.name]
      if (given !== undefined && !sameValue(given, slot.default)) {
        throw new ProtocolError(`version ${version.number} has no place for ${slot.name}`)
      }
    }
    for (let i = 0; i < plain.length; i++) {
      const slot = plain[i]!
      const given = value[slot.name]
      slot.codec.write(writer, given === undefined ? template[slot.name] : given)
    }
    if (version.isFlexible) writeTags(writer, tagged, value)
  }
}

function writeTags(writer: WireWriter, tagged: readonly TaggedSlot[], value: Struct): void {
  let count = 0
  for (let i = 0; i < tagged.length; i++) {
    if (isGiven(tagged[i]!, value)) count++
  }
  writer.uvarint(count)
  if (count === 0) return
  for (const slot of tagged) {
    if (!isGiven(slot, value)) continue
    writer.tag(slot.tag, () => slot.codec.write(writer, value[slot.name]))
  }
}

function isGiven(slot: TaggedSlot, value: Struct): boolean {
  const given = value[slot.name]
  return given !== undefined && !sameValue(given, slot.default)
}

/** Structural equality of two field values. A struct lacking a field has its default there. */
function sameValue(given: unknown, fallback: unknown): boolean {
  if (given === fallback) return true
  if (typeof given !== 'object' || given === null) return false
  if (typeof fallback !== 'object' || fallback === null) return false
  if (Array.isArray(given) || Buffer.isBuffer(given)) {
    return given.length === 0 && (fallback as ArrayLike<unknown>).length === 0
  }
  return Object.entries(fallback).every(([name, value]) => {
    const own = (given as Struct)[name]
    return own === undefined || sameValue(own, value)
  })
}

const noItems: readonly never[] = Object.freeze([])
const noBytes = Buffer.alloc(0)

/** The value of a field that is not on the wire. Shared and frozen where it is an object. */
function defaultOf(field: Field): unknown {
  return field.default === undefined ? implicitDefault(field.shape) : field.default
}

function implicitDefault(shape: FieldShape): unknown {
  switch (shape.kind) {
    case 'array':
      return noItems
    case 'struct': {
      const value: Struct = {}
      for (const [name, field] of Object.entries(shape.fields)) value[name] = defaultOf(field)
      return Object.freeze(value)
    }
    case 'bool':
      return false
    case 'string':
      return ''
    case 'uuid':
      return zeroUuid
    case 'bytes':
    case 'records':
      return noBytes
    default:
      return 0
  }
}

function fieldCodec(field: Field, version: Version): Codec {
  const nullable = inRange(field.nullable, version.number)
  return shapeCodec(field.shape, nullable, version)
}

function shapeCodec(shape: FieldShape, isNullable: boolean, version: Version): Codec {
  switch (shape.kind) {
    case 'array':
      return arrayCodec(shapeCodec(shape.element, false, version), isNullable, version)
    case 'struct': {
      const codec = structCodec(shape.fields, version)
      return isNullable ? nullableStructCodec(codec) : codec
    }
    case 'string':
      return stringCodec(isNullable, version)
    case 'bytes':
      return bytesCodec(isNullable, version, (writer, value) => writer.raw(value as Buffer))
    case 'records':
      return bytesCodec(isNullable, version, writeRecords, recordsLength)
    case 'int64':
      return {
        minBytes: 8,
        read: shape.saturate ? (reader) => reader.saturatedInt64() : (reader) => reader.int64(),
        write: (writer, value) => writer.int64(value as number),
      }
    default:
      return fixedCodecs[shape.kind]
  }
}

const fixedCodecs: Record<
  'bool' | 'int8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'float64' | 'uuid',
  Codec
> = {
  bool: {
    minBytes: 1,
    read: (reader) => reader.bool(),
    write: (writer, value) => writer.bool(value as boolean),
  },
  int8: {
    minBytes: 1,
    read: (reader) => reader.int8(),
    write: (writer, value) => writer.int8(value as number),
  },
  int16: {
    minBytes: 2,
    read: (reader) => reader.int16(),
    write: (writer, value) => writer.int16(value as number),
  },
  uint16: {
    minBytes: 2,
    read: (reader) => reader.uint16(),
    write: (writer, value) => writer.uint16(value as number),
  },
  int32: {
    minBytes: 4,
    read: (reader) => reader.int32(),
    write: (writer, value) => writer.int32(value as number),
  },
  uint32: {
    minBytes: 4,
    read: (reader) => reader.uint32(),
    write: (writer, value) => writer.uint32(value as number),
  },
  float64: {
    minBytes: 8,
    read: (reader) => reader.float64(),
    write: (writer, value) => writer.float64(value as number),
  },
  uuid: {
    minBytes: 16,
    read: (reader) => reader.uuid(),
    write: (writer, value) => writer.uuid(value as string),
  },
}

function refuseNull(): never {
  throw new ProtocolError('null where the version allows none')
}

function stringCodec(isNullable: boolean, version: Version): Codec {
  const { isFlexible } = version
  return {
    minBytes: isFlexible ? 1 : 2,
    read(reader) {
      const value = isFlexible ? reader.compactNullableString() : reader.nullableString()
      return value === null && !isNullable ? refuseNull() : value
    },
    write(writer, value) {
      if (value === null) {
        if (!isNullable) refuseNull()
        if (isFlexible) writer.compactNull()
        else writer.nullString()
      } else if (isFlexible) writer.compactString(value as string)
      else writer.string(value as string)
    },
  }
}

function bytesCodec(
  isNullable: boolean,
  version: Version,
  writeBytes: (writer: WireWriter, value: unknown) => void,
  lengthOf: (value: unknown) => number = (value) => (value as Buffer).length,
): Codec {
  const { isFlexible } = version
  return {
    minBytes: isFlexible ? 1 : 4,
    read(reader) {
      const value = isFlexible ? reader.compactNullableBytes() : reader.nullableBytes()
      return value === null && !isNullable ? refuseNull() : value
    },
    write(writer, value) {
      if (value === null) {
        if (!isNullable) refuseNull()
        writeLength(writer, -1, isFlexible)
        return
      }
      writeLength(writer, lengthOf(value), isFlexible)
      writeBytes(writer, value)
    },
  }
}

function writeLength(writer: WireWriter, length: number, isFlexible: boolean): void {
  if (isFlexible) writer.compactLength(length)
  else writer.int32(length)
}

function recordsLength(value: unknown): number {
  if (!Array.isArray(value)) return (value as WirePart).length
  return (value as readonly WirePart[]).reduce((sum, part) => sum + part.length, 0)
}

function writeRecords(writer: WireWriter, value: unknown): void {
  if (Array.isArray(value)) for (const part of value as readonly WirePart[]) writePart(writer, part)
  else writePart(writer, value as WirePart)
}

function writePart(writer: WireWriter, part: WirePart): void {
  if (Buffer.isBuffer(part)) writer.raw(part)
  else writer.fileSlice(part)
}

function nullableStructCodec(codec: Codec): Codec {
  return {
    minBytes: 1,
    read(reader) {
      const marker = reader.int8()
      if (marker === -1) return null
      if (marker !== 1) throw new ProtocolError(`${marker} where a struct or null begins`)
      return codec.read(reader)
    },
    write(writer, value) {
      writer.int8(value === null ? -1 : 1)
      if (value !== null) codec.write(writer, value)
    },
  }
}

function arrayCodec(element: Codec, isNullable: boolean, version: Version): Codec {
  const { isFlexible } = version
  const itemBytes = element.minBytes
  assert(itemBytes > 0, 'an array item takes at least one byte')
  return {
    minBytes: isFlexible ? 1 : 4,
    read(reader) {
      const count = isFlexible ? reader.compactArrayCount(itemBytes) : reader.arrayCount(itemBytes)
      if (count === -1) return isNullable ? null : refuseNull()
      const items: unknown[] = []
      for (let i = 0; i < count; i++) items.push(element.read(reader))
      return items
    },
    write(writer, value) {
      if (value === null) {
        if (!isNullable) refuseNull()
        writeLength(writer, -1, isFlexible)
        return
      }
      const items = value as readonly unknown[]
      writeLength(writer, items.length, isFlexible)
      for (let i = 0; i < items.length; i++) element.write(writer, items[i])
    },
  }
}
