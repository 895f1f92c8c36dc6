/** fast-check values of any described struct, as one version of it can carry them. */
import fc from 'fast-check'
import {
  type Field,
  type FieldShape,
  type Fields,
  inRange,
  zeroUuid,
} from '../../src/protocol/schema.ts'

/** Values as a reader of `version` would return them: fields it lacks have their defaults. */
export function structArbitrary(
  fields: Fields,
  version: number,
): fc.Arbitrary<Record<string, unknown>> {
  const entries = Object.entries(fields).map(([name, field]) => [
    name,
    fieldArbitrary(field, version),
  ])
  return fc.record(Object.fromEntries(entries))
}

function fieldArbitrary(field: Field, version: number): fc.Arbitrary<unknown> {
  if (!inRange(field.versions, version)) return fc.constant(defaultOf(field))
  const value = shapeArbitrary(field.shape, version)
  const orDefault = field.tag === undefined ? value : fc.oneof(value, fc.constant(defaultOf(field)))
  if (!inRange(field.nullable, version)) return orDefault
  return fc.oneof({ weight: 3, arbitrary: orDefault }, { weight: 1, arbitrary: fc.constant(null) })
}

function defaultOf(field: Field): unknown {
  return field.default === undefined ? implicitDefault(field.shape) : field.default
}

function implicitDefault(shape: FieldShape): unknown {
  switch (shape.kind) {
    case 'array':
      return []
    case 'struct':
      return Object.fromEntries(
        Object.entries(shape.fields).map(([name, field]) => [name, defaultOf(field)]),
      )
    case 'bool':
      return false
    case 'string':
      return ''
    case 'uuid':
      return zeroUuid
    case 'bytes':
    case 'records':
      return Buffer.alloc(0)
    default:
      return 0
  }
}

const shapes = {
  bool: fc.boolean(),
  int8: fc.integer({ min: -128, max: 127 }),
  int16: fc.integer({ min: -32_768, max: 32_767 }),
  uint16: fc.integer({ min: 0, max: 65_535 }),
  int32: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  uint32: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  int64: fc.maxSafeInteger(),
  float64: fc.double({ noNaN: true }),
  uuid: fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .map((id) => Buffer.from(id).toString('base64url')),
  string: fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.constant('x'.repeat(300)),
  ),
  bytes: fc.uint8Array({ maxLength: 100 }).map((value) => Buffer.from(value)),
  records: fc
    .oneof(
      { weight: 9, arbitrary: fc.uint8Array({ maxLength: 40 }) },
      { weight: 1, arbitrary: fc.constant(new Uint8Array(5000).fill(7)) },
    )
    .map((value) => Buffer.from(value)),
}

function shapeArbitrary(shape: FieldShape, version: number): fc.Arbitrary<unknown> {
  if (shape.kind === 'array')
    return fc.array(shapeArbitrary(shape.element, version), { maxLength: 3 })
  if (shape.kind === 'struct') return structArbitrary(shape.fields, version)
  return shapes[shape.kind]
}
