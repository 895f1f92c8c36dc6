/** Goal: every codec gives back what it was given, in the order it promises, and refuses the rest. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidOptionError } from '../../src/base/errors.ts'
import { type Transcoder, transcoderOf } from '../../src/table/table-codec.ts'

function encode<T>(codec: Transcoder<T>, value: T): Buffer {
  return Buffer.from(codec.prepare(value, 'value') as Uint8Array)
}

function roundTrip<T>(codec: Transcoder<T>, value: T): T {
  const bytes = Buffer.concat([Buffer.from('xx'), encode(codec, value), Buffer.from('yy')])
  return codec.decode(bytes, 2, bytes.length - 2)
}

const bytes = transcoderOf<Uint8Array>('bytes', 'key')
const string = transcoderOf<string>('string', 'key')
const json = transcoderOf<unknown>('json', 'key')
const uint64 = transcoderOf<number>('uint64', 'key')

describe('a table codec', () => {
  it('gives back every value', () => {
    const uint8 = fc.uint8Array({ maxLength: 100 })
    fc.assert(
      fc.property(uint8, (value) => {
        expect(roundTrip(bytes, value)).toEqual(Buffer.from(value))
      }),
    )
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        expect(roundTrip(string, value)).toBe(value)
      }),
    )
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        expect(roundTrip(json, value)).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        expect(roundTrip(uint64, value)).toBe(value)
      }),
    )
  })

  it('orders numbers as numbers and strings by code point', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (a, b) => {
        expect(Buffer.compare(encode(uint64, a), encode(uint64, b))).toBe(Math.sign(a - b))
      }),
    )
    // By UTF-16 units it is the other way round.
    expect(Buffer.compare(encode(string, '\uffee'), encode(string, '\u{1f600}'))).toBe(-1)
  })

  it('hands out bytes that are a copy', () => {
    const stored = Buffer.from('abcdef')
    bytes.decode(stored, 0, 3)[0] = 0
    expect(String(stored)).toBe('abcdef')
  })

  it('refuses what it cannot encode', () => {
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    const refused: [Transcoder<never>, unknown][] = [
      [bytes, 'text'],
      [bytes, null],
      [string, 1],
      [string, 'a\ud800'],
      [string, '\udc00b'],
      [json, undefined],
      [json, () => {}],
      [json, circular],
      [json, 1n],
      [uint64, -1],
      [uint64, 0.5],
      [uint64, 2 ** 53],
      [uint64, 1n],
      [uint64, '1'],
    ] as never
    for (const [codec, value] of refused) {
      expect(() => codec.prepare(value as never, 'value')).toThrow(InvalidOptionError)
    }
    expect(() => uint64.decode(Buffer.alloc(7), 0, 7)).toThrow(RangeError)
    expect(() => uint64.decode(Buffer.alloc(8, 0xff), 0, 8)).toThrow(RangeError)
  })

  it('is one that exists, or one with a name of its own', () => {
    const own = { name: 'date', encode: () => Buffer.alloc(1), decode: () => new Date(0) }
    expect(transcoderOf(own, 'key').name).toBe('date')
    const wrong = [
      'text',
      'toString',
      undefined,
      null,
      7,
      {},
      { ...own, name: 'json' },
      { ...own, name: 'a b' },
      { ...own, name: '' },
      { ...own, decode: undefined },
    ]
    for (const choice of wrong) {
      expect(() => transcoderOf(choice, 'key')).toThrow(/key is .*expected one of bytes/)
    }
    const broken = transcoderOf<number>({ ...own, encode: () => 'text' }, 'key')
    expect(() => broken.prepare(1, 'key')).toThrow('a Uint8Array from encode() of codec date')
  })
})
