import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { compressSync as rawSnappy } from 'snappy'
import { describe, expect, it } from 'vitest'
import {
  BatchTooLargeError,
  CorruptBatchError,
  LogError,
  UnsupportedCodecError,
} from '../../src/base/errors.ts'
import type { Codec } from '../../src/record/codec/codec.ts'
import { gzipCodec } from '../../src/record/codec/gzip.ts'
import { lz4Codec } from '../../src/record/codec/lz4.ts'
import { snappyCodec } from '../../src/record/codec/snappy.ts'
import { xxhash32 } from '../../src/record/codec/xxhash32.ts'
import { packageZstdCodec, zlibZstdCodec, zstdCodec } from '../../src/record/codec/zstd.ts'
import { findZstdFrames } from '../../src/record/codec/zstd-frame.ts'
import { codecIdOf, codecNameOf } from '../../src/record/codec-name.ts'
import { compress, decompress } from '../../src/record/compression.ts'

// Goal: what any Kafka client compressed comes back; nothing a stranger sends costs more memory
// than the bound; broken data is one typed error.
// Method: round trips, hand-made frames, bombs, cuts and flipped bits, for each codec. The zstd of
// the package (older Node) runs everywhere, that of node:zlib where this Node has it.

const mebibyte = 1024 * 1024

const codecs: [string, Codec][] = [
  ['gzip', gzipCodec],
  ['snappy', snappyCodec],
  ['lz4', lz4Codec],
  ['zstd (package)', packageZstdCodec],
]
if (zlibZstdCodec !== undefined) codecs.push(['zstd (node:zlib)', zlibZstdCodec])

const text = Buffer.from('the quick brown fox jumps over the lazy dog. '.repeat(6000))
const noise = Buffer.alloc(200_000)
for (let index = 0, state = 1; index < noise.length; index++) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  noise[index] = state >>> 24
}

describe.each(codecs)('%s', (_, codec) => {
  it.each([
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.from('x')],
    ['text over many blocks', text],
    ['noise over many blocks', noise],
    ['exactly one lz4 block', noise.subarray(0, 65_536)],
    ['exactly one snappy block', noise.subarray(0, 32_768)],
  ])('gives back %s', (_, plain) => {
    const packed = codec.compress(plain, undefined)
    expect(codec.decompress(packed, plain.length).equals(plain)).toBe(true)
  })

  it('gives back arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), (array) => {
        const plain = Buffer.from(array)
        expect(codec.decompress(codec.compress(plain, undefined), 5000).equals(plain)).toBe(true)
      }),
      { numRuns: 50 },
    )
  })

  it('stops at the bound, to the byte', () => {
    const packed = codec.compress(text, undefined)
    for (const bound of [0, 1, 1000, 65_536, text.length - 1]) {
      expect(() => codec.decompress(packed, bound), `bound ${bound}`).toThrow(BatchTooLargeError)
    }
    expect(codec.decompress(packed, text.length).length).toBe(text.length)
  })

  it('refuses a bomb and takes little memory for it', () => {
    const bomb = codec.compress(Buffer.alloc(192 * mebibyte), undefined)
    const refuse = () => codec.decompress(bomb, mebibyte)
    expect(refuse).toThrow(BatchTooLargeError)
    const before = process.memoryUsage().rss
    for (let round = 0; round < 5; round++) expect(refuse).toThrow(BatchTooLargeError)
    expect(process.memoryUsage().rss - before).toBeLessThan(96 * mebibyte)
    expect(refuse).toThrow(expect.objectContaining({ limit: 'decompressed', limitBytes: mebibyte }))
  })

  it('refuses data cut off at any byte, or never gives more than there was', () => {
    const plain = text.subarray(0, 700)
    const packed = codec.compress(plain, undefined)
    for (let length = 0; length < packed.length; length++) {
      const result = attempt(() => codec.decompress(packed.subarray(0, length), mebibyte))
      // A xerial stream has no end mark, so cut between blocks it is a shorter whole one.
      if (!(result instanceof CorruptBatchError)) {
        expect(codec).toBe(snappyCodec)
        expect((result as Buffer).length).toBeLessThan(plain.length)
      }
    }
  })

  it('never throws anything but a LogError for flipped bits and noise', () => {
    const packed = codec.compress(text.subarray(0, 3000), undefined)
    for (let bit = 0; bit < Math.min(packed.length, 200) * 8; bit++) {
      const broken = Buffer.from(packed)
      broken[bit >> 3]! ^= 1 << (bit & 7)
      expectBytesOrLogError(() => codec.decompress(broken, mebibyte))
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (array) => {
        expectBytesOrLogError(() => codec.decompress(Buffer.from(array), mebibyte))
      }),
      { numRuns: 200 },
    )
  })
})

describe('gzip', () => {
  it('reads several members in a row', () => {
    const both = Buffer.concat([gzipSync('one '), gzipSync('two')])
    expect(gzipCodec.decompress(both, 100).toString()).toBe('one two')
  })

  it('compresses harder at a higher level', () => {
    const [fast, hard] = [compress('gzip', text, 1), compress('gzip', text, 9)]
    expect(hard.length).toBeLessThan(fast.length)
  })
})

describe('snappy', () => {
  it('writes the xerial header and blocks of 32 KiB', () => {
    const packed = snappyCodec.compress(noise.subarray(0, 40_000), undefined)
    expect(packed.subarray(0, 16).toString('hex')).toBe('82534e41505059000000000100000001')
    const first = packed.readInt32BE(16)
    expect(packed.readInt32BE(20 + first)).toBe(packed.length - 24 - first)
  })

  it('reads one raw block, as librdkafka writes it', () => {
    expect(snappyCodec.decompress(rawSnappy(text), text.length).equals(text)).toBe(true)
  })

  it('reads streams that follow each other, header and all', () => {
    const part = (plain: string) => snappyCodec.compress(Buffer.from(plain), undefined)
    const both = Buffer.concat([part('one '), part('two')])
    expect(snappyCodec.decompress(both, 100).toString()).toBe('one two')
  })

  it('refuses a block that declares what its bytes cannot make, without taking the memory', () => {
    const header = Buffer.from('82534e41505059000000000100000001', 'hex')
    const raw = Buffer.from('ffffffff0f00', 'hex')
    const framed = Buffer.concat([header, Buffer.from([0, 0, 0, 6]), raw])
    expect(() => snappyCodec.decompress(raw, 2 ** 33)).toThrow(CorruptBatchError)
    expect(() => snappyCodec.decompress(framed, 2 ** 33)).toThrow(CorruptBatchError)
  })

  it('refuses negative and overlong block lengths', () => {
    const header = Buffer.from('82534e41505059000000000100000001', 'hex')
    for (const length of ['ffffffff', '7fffffff', '00000002']) {
      const framed = Buffer.concat([header, Buffer.from(`${length}00`, 'hex')])
      expect(() => snappyCodec.decompress(framed, mebibyte)).toThrow(CorruptBatchError)
    }
  })
})

describe('lz4', () => {
  const header = '04224d18604082'

  it('writes exactly the frame header, block size and end mark of Java clients', () => {
    const packed = lz4Codec.compress(text, undefined)
    expect(packed.subarray(0, 7).toString('hex')).toBe(header)
    expect(packed.subarray(-4).toString('hex')).toBe('00000000')
  })

  it('stores a block that does not shrink', () => {
    const packed = lz4Codec.compress(noise.subarray(0, 100), undefined)
    expect(packed.readUInt32LE(7)).toBe(0x80000000 + 100)
    expect(packed.length).toBe(7 + 4 + 100 + 4)
  })

  /** A frame with the given flags and size code around one stored block. */
  function frame(flags: number, descriptor: number, plain: Buffer, contentSize?: Buffer): Buffer {
    const fields = Buffer.concat([Buffer.from([flags, descriptor]), contentSize ?? Buffer.alloc(0)])
    const sum = (xxhash32(fields, 0, fields.length) >>> 8) & 0xff
    const size = Buffer.alloc(4)
    size.writeUInt32LE((plain.length | 0x80000000) >>> 0)
    const blockSum = Buffer.alloc((flags & 0x10) === 0 ? 0 : 4)
    if (blockSum.length > 0) blockSum.writeUInt32LE(xxhash32(plain, 0, plain.length))
    return Buffer.concat([
      Buffer.from('04224d18', 'hex'),
      fields,
      Buffer.from([sum]),
      size,
      plain,
      blockSum,
      Buffer.alloc(4),
      Buffer.alloc((flags & 0x04) === 0 ? 0 : 4),
    ])
  }

  it('reads frames with content size, content sum, block sums and every block size', () => {
    const plain = noise.subarray(0, 5000)
    for (const descriptor of [0x40, 0x50, 0x60, 0x70]) {
      const full = frame(0x7c, descriptor, plain, Buffer.alloc(8))
      expect(lz4Codec.decompress(full, 5000).equals(plain)).toBe(true)
    }
  })

  it('notices a wrong block sum', () => {
    const broken = frame(0x70, 0x40, noise.subarray(0, 50))
    broken[20]! ^= 1
    expect(() => lz4Codec.decompress(broken, 100)).toThrow('fails its checksum')
  })

  it.each([
    ['linked blocks', 0x40, 0x40],
    ['a dictionary', 0x61, 0x40],
    ['another version', 0xa0, 0x40],
    ['block size code 3', 0x60, 0x30],
    ['reserved descriptor bits', 0x60, 0x41],
  ])('refuses %s', (_, flags, descriptor) => {
    const refuse = () => lz4Codec.decompress(frame(flags, descriptor, text.subarray(0, 9)), 100)
    expect(refuse).toThrow(CorruptBatchError)
  })

  it('refuses a wrong header sum and a block above the frame’s own size', () => {
    const wrong = Buffer.from(`${header.slice(0, -2)}83`, 'hex')
    expect(() => lz4Codec.decompress(wrong, 10)).toThrow('fails its checksum')
    const large = Buffer.concat([Buffer.from(`${header}01000180`, 'hex'), Buffer.alloc(70_000)])
    expect(() => lz4Codec.decompress(large, mebibyte)).toThrow('the frame allows 65536')
  })

  it('takes no more memory than its bytes can justify for many small blocks', () => {
    // 4 MiB blocks of three bytes each: clearing 4 MiB for every one would take minutes.
    const fields = Buffer.from([0x60, 0x70])
    const sum = (xxhash32(fields, 0, 2) >>> 8) & 0xff
    const block = Buffer.from('03000000206162', 'hex')
    const parts = [Buffer.from('04224d18', 'hex'), fields, Buffer.from([sum])]
    for (let index = 0; index < 20_000; index++) parts.push(block)
    parts.push(Buffer.alloc(4))
    const plain = lz4Codec.decompress(Buffer.concat(parts), mebibyte)
    expect(plain.length).toBe(40_000)
  })
})

describe('zstd', () => {
  it('is read by either implementation whichever wrote it', () => {
    const packed = packageZstdCodec.compress(text, 19)
    expect(zstdCodec.decompress(packed, text.length).equals(text)).toBe(true)
    const other = zstdCodec.compress(text, undefined)
    expect(packageZstdCodec.decompress(other, text.length).equals(text)).toBe(true)
  })

  it('reads frames that follow each other and skips skippable ones', () => {
    const one = packageZstdCodec.compress(Buffer.from('one '), undefined)
    const two = packageZstdCodec.compress(Buffer.from('two'), undefined)
    const skippable = Buffer.from('502a4d1803000000aabbcc', 'hex')
    const all = Buffer.concat([one, skippable, two])
    for (const [, codec] of codecs.filter(([name]) => name.startsWith('zstd'))) {
      expect(codec.decompress(all, 100).toString()).toBe('one two')
    }
  })

  it('is refused in more than 1024 frames', () => {
    const frame = packageZstdCodec.compress(Buffer.from('x'), undefined)
    for (const [, codec] of codecs.filter(([name]) => name.startsWith('zstd'))) {
      const many = Buffer.concat(Array.from({ length: 1025 }, () => frame))
      expect(() => codec.decompress(many, mebibyte)).toThrow(CorruptBatchError)
      expect(codec.decompress(many.subarray(frame.length), mebibyte).length).toBe(1024)
    }
  })

  it('is bounded by its blocks, whatever the content size claims', () => {
    // One run-length block of 100 000 bytes under a content size of 5.
    const liar = Buffer.from(`28b52ffd2005${'03350c'}61`, 'hex')
    expect(findZstdFrames(liar)).toEqual([{ start: 0, end: liar.length, boundBytes: 100_000 }])
    expect(() => packageZstdCodec.decompress(liar, 1000)).toThrow(LogError)
  })
})

describe('codec names', () => {
  it('are numbered as in the batch attributes', () => {
    const names = [0, 1, 2, 3, 4].map(codecNameOf)
    expect(names).toEqual(['none', 'gzip', 'snappy', 'lz4', 'zstd'])
    expect(names.map(codecIdOf)).toEqual([0, 1, 2, 3, 4])
    expect(() => codecNameOf(5)).toThrow(UnsupportedCodecError)
  })

  it('none passes bytes through, within the bound', () => {
    expect(compress('none', text)).toBe(text)
    expect(decompress('none', text, text.length)).toBe(text)
    expect(() => decompress('none', text, 10)).toThrow(BatchTooLargeError)
  })
})

function attempt<T>(work: () => T): T | unknown {
  try {
    return work()
  } catch (error) {
    return error
  }
}

function expectBytesOrLogError(work: () => Buffer): void {
  const result = attempt(work)
  if (Buffer.isBuffer(result)) expect(result.length).toBeLessThanOrEqual(mebibyte)
  else expect(result).toBeInstanceOf(LogError)
}
