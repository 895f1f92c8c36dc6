import { describe, expect, it } from 'vitest'
import { WireReader } from '../../src/protocol/wire-reader.ts'
import { WireWriter } from '../../src/protocol/wire-writer.ts'
import { frameBytes } from '../support/wire-frame.ts'

// Goal: a frame may grow, at whatever it is that no room is left for.
// Method: each primitive at every distance from the end of the memory a writer begins with, and of
// what it has grown to then.

type Primitive = {
  readonly name: string
  readonly write: (writer: WireWriter) => void
  readonly read: (reader: WireReader) => unknown
  readonly value: unknown
}

const uuid = 'AAECAwQFBgcICQoLDA0ODw'
const primitives: readonly Primitive[] = [
  { name: 'bool', write: (w) => w.bool(true), read: (r) => r.bool(), value: true },
  { name: 'int8', write: (w) => w.int8(-7), read: (r) => r.int8(), value: -7 },
  { name: 'int16', write: (w) => w.int16(-777), read: (r) => r.int16(), value: -777 },
  { name: 'uint16', write: (w) => w.uint16(60_000), read: (r) => r.uint16(), value: 60_000 },
  { name: 'int32', write: (w) => w.int32(-77_777), read: (r) => r.int32(), value: -77_777 },
  { name: 'uint32', write: (w) => w.uint32(2 ** 31), read: (r) => r.uint32(), value: 2 ** 31 },
  { name: 'int64', write: (w) => w.int64(-(2 ** 40)), read: (r) => r.int64(), value: -(2 ** 40) },
  { name: 'float64', write: (w) => w.float64(0.1), read: (r) => r.float64(), value: 0.1 },
  { name: 'uvarint', write: (w) => w.uvarint(300_000), read: (r) => r.uvarint(), value: 300_000 },
  { name: 'uuid', write: (w) => w.uuid(uuid), read: (r) => r.uuid(), value: uuid },
  { name: 'string', write: (w) => w.string('né'), read: (r) => r.nullableString(), value: 'né' },
  {
    name: 'compact string',
    write: (w) => w.compactString('né'),
    read: (r) => r.compactNullableString(),
    value: 'né',
  },
  {
    name: 'raw',
    write: (w) => w.raw(Buffer.from([1, 2, 3, 4])),
    read: (r) => r.uint32(),
    value: 0x01020304,
  },
  {
    name: 'tagged value',
    write: (w) => w.tag(5, () => w.uint32(0x01020304)),
    read: (r) => [r.uvarint(), r.uvarint(), r.uint32()],
    value: [5, 4, 0x01020304],
  },
]

const marker = 0x5a5a5a5a
const lengthPrefixBytes = 4
const piece = Buffer.alloc(1024, 0xee)

function fillTo(writer: WireWriter, position: number): void {
  let left = position - lengthPrefixBytes
  for (; left > piece.length; left -= piece.length) writer.raw(piece)
  writer.raw(piece.subarray(0, left))
}

describe.each([64 * 1024, 128 * 1024])('a frame that grows at %i bytes', (full) => {
  it.each(primitives)('with a $name', ({ write, read, value }) => {
    for (let position = full - 20; position <= full; position++) {
      const writer = new WireWriter()
      fillTo(writer, position)
      write(writer)
      writer.uint32(marker)
      const reader = new WireReader(frameBytes(writer.finish()), position - lengthPrefixBytes)
      expect(read(reader), `${position} bytes before it`).toEqual(value)
      expect(reader.uint32()).toBe(marker)
      expect(reader.bytesLeft).toBe(0)
    }
  })
})
