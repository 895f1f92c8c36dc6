import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FrameDecoder, FrameError } from '../../src/net/frame-decoder.ts'
import { ReceiveMemory } from '../../src/net/receive-memory.ts'

const framed = (body: Buffer) => {
  const prefix = Buffer.alloc(4)
  prefix.writeInt32BE(body.length)
  return Buffer.concat([prefix, body])
}

const drain = (decoder: FrameDecoder) => {
  const frames: Buffer[] = []
  for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) {
    // Views: what is received next may be put there.
    frames.push(Buffer.from(frame))
  }
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

  it('shares its memory with others, each of which finds its own frames', () => {
    const bytes = fc.uint8Array({ maxLength: 30_000 })
    fc.assert(
      fc.property(
        fc.array(fc.array(bytes, { maxLength: 12 }), { minLength: 1, maxLength: 4 }),
        fc.infiniteStream(fc.nat()),
        fc.infiniteStream(fc.integer({ min: 1, max: 9000 })),
        (streams, turns, lengths) => {
          const memory = new ReceiveMemory()
          const readers = streams.map((bodies) => ({
            expected: bodies.map((body) => Buffer.from(body)),
            stream: Buffer.concat(bodies.map((body) => framed(Buffer.from(body)))),
            decoder: new FrameDecoder(1 << 20, memory),
            // Kept by the kernel until the next read.
            target: undefined as Buffer | undefined,
            at: 0,
            found: [] as Buffer[],
          }))
          for (const reader of readers) reader.target = reader.decoder.target()
          const isReading = () => readers.filter(({ at, stream }) => at < stream.length)
          for (let left = isReading(); left.length > 0; left = isReading()) {
            const reader = left[turns.next().value % left.length]!
            const room = reader.target!
            const count = Math.min(
              lengths.next().value,
              room.length,
              reader.stream.length - reader.at,
            )
            room.set(reader.stream.subarray(reader.at, reader.at + count))
            reader.at += count
            reader.decoder.received(count)
            // A connection that has no room for more requests leaves frames for later.
            if (turns.next().value % 4 > 0) reader.found.push(...drain(reader.decoder))
            reader.target = reader.decoder.target()
          }
          for (const reader of readers) {
            reader.found.push(...drain(reader.decoder))
            expect(reader.found).toEqual(reader.expected)
            reader.decoder.release()
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  it('allocates nothing for a stream that goes on', () => {
    const memory = new ReceiveMemory()
    const decoder = new FrameDecoder(1 << 20, memory)
    const stream = Buffer.concat(Array.from({ length: 40 }, () => framed(Buffer.alloc(60_000, 1))))
    const read = () => {
      for (let at = 0; at < stream.length; ) {
        const target = decoder.target()
        const count = stream.copy(target, 0, at, at + 70_000)
        at += count
        decoder.received(count)
        while (decoder.next() !== undefined);
      }
    }
    read()
    const before = process.memoryUsage().arrayBuffers
    for (let round = 0; round < 20; round++) read()
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100_000)
  })

  it('makes room for one more read, not for more and more, while frames wait for their turn', () => {
    const decoder = new FrameDecoder(1 << 20)
    const stream = Buffer.concat(Array.from({ length: 60 }, () => framed(Buffer.alloc(60_000, 1))))
    let mostBytes = 0
    let at = 0
    for (let read = 0; read < 200; read++) {
      // As the socket does: asked for before what came is looked at, and used when that was taken.
      const target = decoder.target()
      mostBytes = Math.max(mostBytes, target.length)
      while (decoder.next() !== undefined);
      const count = stream.copy(target, 0, at)
      at = (at + count) % stream.length
      decoder.received(count)
    }
    expect(mostBytes).toBeLessThanOrEqual(512 * 1024)
  })

  it('keeps any number of frames that nobody takes', () => {
    const decoder = new FrameDecoder(1 << 20)
    const frame = framed(Buffer.alloc(10_000, 1))
    for (let i = 0; i < 3000; i++) decoder.push(frame)
    expect(drain(decoder)).toHaveLength(3000)
    expect(decoder.bufferedBytes).toBe(0)
  })

  it('forgets what it was told to, and goes on where it was', () => {
    const decoder = new FrameDecoder(100)
    decoder.push(Buffer.from([0, 0, 0, 9, 1, 2]))
    decoder.clear()
    expect(decoder.bufferedBytes).toBe(0)
    decoder.push(framed(Buffer.from('next')))
    expect(String(decoder.next())).toBe('next')
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
    const memory = new ReceiveMemory()
    const before = process.memoryUsage().arrayBuffers
    const decoders = Array.from({ length: 50 }, () => {
      const decoder = new FrameDecoder(104_857_600, memory)
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
