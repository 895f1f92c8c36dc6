import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CorruptBatchError } from '../../src/base/errors.ts'
import { readInt64OrNaN, writeInt64 } from '../../src/record/int64.ts'
import {
  VarintReader,
  varintSize,
  varlongSize,
  writeVarint,
  writeVarlong,
} from '../../src/record/varint.ts'

// Goal: every integer survives the trip, and broken ones are refused, never read past the end.
// Method: properties against BigInt arithmetic; the golden vectors are in golden.test.ts.

/** The reference: zigzag and base 128 over BigInt. */
function encodeBig(value: bigint): Buffer {
  let zigzag = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
  const bytes: number[] = []
  for (; zigzag > 0x7fn; zigzag >>= 7n) bytes.push(Number(zigzag & 0x7fn) | 0x80)
  bytes.push(Number(zigzag))
  return Buffer.from(bytes)
}

const readerOf = (bytes: Buffer): VarintReader => new VarintReader().at(bytes, 0, bytes.length)

describe('varint', () => {
  it('writes and reads every 32-bit integer as the reference does', () => {
    fc.assert(
      fc.property(fc.integer(), (value) => {
        const expected = encodeBig(BigInt(value))
        const bytes = Buffer.alloc(5)
        expect(writeVarint(bytes, 0, value)).toBe(expected.length)
        expect(varintSize(value)).toBe(expected.length)
        expect(bytes.subarray(0, expected.length)).toEqual(expected)
        expect(readerOf(expected).readVarint()).toBe(value)
      }),
    )
  })

  it('writes and reads every safe integer as a varlong as the reference does', () => {
    const edges = fc.constantFrom(2 ** 27, 2 ** 28, 2 ** 31, 2 ** 52, Number.MAX_SAFE_INTEGER)
    const near = fc
      .tuple(edges, fc.integer({ min: -3, max: 0 }), fc.constantFrom(1, -1))
      .map(([edge, step, sign]) => (edge + step) * sign)
    fc.assert(
      fc.property(fc.oneof(near, fc.maxSafeInteger()), (value) => {
        const expected = encodeBig(BigInt(value))
        const bytes = Buffer.alloc(10)
        expect(writeVarlong(bytes, 0, value)).toBe(expected.length)
        expect(varlongSize(value)).toBe(expected.length)
        expect(bytes.subarray(0, expected.length)).toEqual(expected)
        expect(readerOf(expected).readVarlong()).toBe(value)
      }),
    )
  })

  it('reads any 64-bit varlong as itself or, beyond 2^53 − 1, as a refusal', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const reader = readerOf(encodeBig(value))
        const number = Number(value)
        if (Number.isSafeInteger(number)) expect(reader.readVarlong()).toBe(number)
        else expect(() => reader.readVarlong()).toThrow(CorruptBatchError)
        expect(reader.position).toBe(reader.end)
      }),
    )
  })

  it('drops surplus bits and takes padded encodings, as the reference does', () => {
    expect(readerOf(Buffer.from('ffffffff7f', 'hex')).readVarint()).toBe(-2147483648)
    expect(readerOf(Buffer.from('80808000', 'hex')).readVarint()).toBe(0)
    expect(readerOf(Buffer.from('82808080808080808002', 'hex')).readVarlong()).toBe(1)
  })

  it('refuses an integer cut off at any byte', () => {
    const whole = encodeBig(-(2n ** 63n))
    for (let length = 0; length < whole.length; length++) {
      const cut = whole.subarray(0, length)
      expect(() => readerOf(cut).readVarlong()).toThrow(CorruptBatchError)
      if (length < 5) expect(() => readerOf(cut).readVarint()).toThrow(CorruptBatchError)
    }
  })

  it('does not read past its end when more bytes follow', () => {
    const bytes = Buffer.from('8001', 'hex')
    expect(() => new VarintReader().at(bytes, 0, 1).readVarint()).toThrow(CorruptBatchError)
  })
})

describe('64-bit integers', () => {
  it('survive the trip when safe', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        const bytes = Buffer.alloc(8)
        writeInt64(bytes, 0, value)
        expect(bytes.readBigInt64BE(0)).toBe(BigInt(value))
        expect(readInt64OrNaN(bytes, 0)).toBe(value)
      }),
    )
  })

  it('read as NaN beyond 2^53 − 1', () => {
    for (const value of [2n ** 53n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)]) {
      const bytes = Buffer.alloc(8)
      bytes.writeBigInt64BE(value)
      expect(readInt64OrNaN(bytes, 0)).toBeNaN()
    }
  })
})
