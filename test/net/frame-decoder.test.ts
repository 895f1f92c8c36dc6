import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameDecoder, FrameError } from '../../src/net/frame-decoder.ts'

const framed = (body: Buffer) => {
  const prefix = Buffer.alloc(4)
  prefix.writeInt32BE(body.length)
  return Buffer.concat([prefix, body])
}

const drain = (decoder: FrameDecoder) => {
  const frames: Buffer[] = []
  for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) frames.push(frame)
  return frames
}

describe('frame decoder', () => {
  it('finds the same frames however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1 }),
        (bodies, cuts) => {
          const expected = bodies.map((body) => Buffer.from(body))
          const stream = Buffer.concat(expected.map(framed))
          const decoder = new FrameDecoder(1000)
          const found: Buffer[] = []
          for (let at = 0, i = 0; at < stream.length; i++) {
            const length = cuts[i % cuts.length]!
            decoder.push(stream.subarray(at, at + length))
            at += length
            found.push(...drain(decoder))
          }
          expect(found).toEqual(expected)
          expect(decoder.bufferedBytes).toBe(0)
        },
      ),
    )
  })

  it('hands out a view of a frame inside one chunk', () => {
    const chunk = Buffer.concat([framed(Buffer.from('one')), framed(Buffer.from('two'))])
    const decoder = new FrameDecoder(100)
    decoder.push(chunk)
    for (const frame of drain(decoder)) expect(frame.buffer).toBe(chunk.buffer)
  })

  it('refuses a size over the limit when only its four bytes have arrived', () => {
    const decoder = new FrameDecoder(100)
    decoder.push(Buffer.from([0, 0, 0]))
    expect(decoder.next()).toBeUndefined()
    decoder.push(Buffer.from([101]))
    expect(() => decoder.next()).toThrow(FrameError)
    expect(() => decoder.next()).toThrow('a frame of 101 bytes, the limit is 100')
  })

  it('accepts a frame of exactly the limit', () => {
    const decoder = new FrameDecoder(100)
    decoder.push(framed(Buffer.alloc(100)))
    expect(decoder.next()).toHaveLength(100)
  })

  it('refuses a negative size', () => {
    const decoder = new FrameDecoder(100)
    decoder.push(Buffer.from([0xff, 0xff, 0xff, 0xff]))
    expect(() => decoder.next()).toThrow('a frame of size -1')
  })

  it('allocates nothing for bytes that have not arrived', () => {
    const before = process.memoryUsage().arrayBuffers
    const decoders = Array.from({ length: 50 }, () => {
      const decoder = new FrameDecoder(104_857_600)
      decoder.push(Buffer.from([0x06, 0x40, 0, 0, 1, 2, 3]))
      expect(decoder.next()).toBeUndefined()
      return decoder
    })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000)
    expect(decoders[0]!.bufferedBytes).toBe(7)
  })

  it('hands out an empty frame', () => {
    const decoder = new FrameDecoder(100)
    decoder.push(Buffer.alloc(4))
    expect(decoder.next()).toHaveLength(0)
    expect(decoder.next()).toBeUndefined()
  })
})
