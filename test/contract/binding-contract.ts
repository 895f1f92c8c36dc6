/**
 * What every `NativeBinding` does. Goal: a caller cannot tell the addon from portable.ts except by
 * speed and by what binding.ts grants. Method: real files and real loopback connections; every test
 * waits for an event of the connection or the transfer.
 *
 * Past 500 lines, because it is one interface, and both bindings must pass all of it.
 */
import * as fs from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { dropFromCache } from '../../bench/support/page-cache.ts'
import type { NativeBinding, SendTarget } from '../../src/native/binding.ts'
import { canDropFromCache, dropUntil } from '../support/page-cache.ts'
import { openSocketPair, readBytes, type SocketPair } from '../support/socket-pair.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const { O_RDONLY, O_RDWR, O_DIRECT = 0 } = fs.constants

const mebibyte = 1024 * 1024

export function describeBindingContract(name: string, binding: () => NativeBinding): void {
  describe(`${name} binding`, () => {
    let directory: ReturnType<typeof makeTemporaryDirectory>
    const descriptors: number[] = []

    beforeEach(() => {
      directory = makeTemporaryDirectory()
    })

    afterEach(() => {
      for (const fd of descriptors.splice(0)) fs.closeSync(fd)
      directory.remove()
    })

    const openFile = (content: Uint8Array, flags = 'r', fileName = 'file'): number => {
      const path = `${directory.path}/${fileName}`
      fs.writeFileSync(path, content)
      const fd = fs.openSync(path, flags)
      descriptors.push(fd)
      return fd
    }

    describeCrc32c(binding)
    describeRecordScan(binding)
    describeMap(binding, openFile, () => directory.path)
    describeSendFile(binding, openFile, () => directory.path)
    describeFileOperations(binding, openFile, () => directory.path)
  })
}

type OpenFile = (content: Uint8Array, flags?: string, fileName?: string) => number

function describeCrc32c(binding: () => NativeBinding): void {
  describe('crc32c', () => {
    // RFC 3720 appendix B.4 and the catalogue of CRC algorithms.
    it.each<[string, Uint8Array, number]>([
      ['123456789', Buffer.from('123456789'), 0xe3069283],
      ['nothing', Buffer.alloc(0), 0],
      ['32 zeros', Buffer.alloc(32), 0x8a9136aa],
      ['32 times 0xff', Buffer.alloc(32, 0xff), 0x62a8ab43],
      ['0 to 31', Buffer.from(Array.from({ length: 32 }, (_, at) => at)), 0x46dd794e],
      ['31 to 0', Buffer.from(Array.from({ length: 32 }, (_, at) => 31 - at)), 0x113fdb5c],
    ])('knows the checksum of %s', (_, bytes, expected) => {
      expect(binding().crc32c(bytes, 0, bytes.length)).toBe(expected)
    })

    it('agrees with the definition, bit by bit, for every length and alignment', () => {
      const bytes = noise(9000, 1)
      for (const length of [0, 1, 7, 8, 9, 63, 64, 383, 384, 385, 1000, 6143, 6144, 6145, 8900]) {
        for (const start of [0, 1, 3, 8, 13]) {
          const expected = definedCrc32c(bytes.subarray(start, start + length))
          expect(binding().crc32c(bytes, start, start + length)).toBe(expected)
        }
      }
    })

    it('continues an earlier result by its seed', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 2000 }), fc.nat(2000), (bytes, cut) => {
          const at = Math.min(cut, bytes.length)
          const whole = binding().crc32c(bytes, 0, bytes.length)
          const first = binding().crc32c(bytes, 0, at)
          expect(binding().crc32c(bytes, at, bytes.length, first)).toBe(whole)
        }),
      )
    })

    it('rejects bounds outside the bytes', () => {
      const bytes = Buffer.alloc(10)
      for (const [start, end] of [
        [-1, 5],
        [0, 11],
        [6, 5],
        [Number.NaN, 5],
        [0, Number.NaN],
      ]) {
        expect(() => binding().crc32c(bytes, start!, end!)).toThrow(codeMatching(/^ERR_/))
      }
    })
  })
}

function describeRecordScan(binding: () => NativeBinding): void {
  describe('scanRecords', () => {
    // Length 7, attributes, time 0, offset 0, no key, value 'x', no headers; then the same with key
    // 'k', time −1, offset 1 and a header 'h' without a value.
    const first = [0x0e, 0, 0, 0, 0x01, 0x02, 0x78, 0]
    const second = [0x18, 0, 0x01, 0x02, 0x02, 0x6b, 0x02, 0x78, 0x02, 0x02, 0x68, 0x01]
    const records = Buffer.from([...first, ...second])
    records[first.length] = (second.length - 1) * 2
    const scan = (bytes: Buffer, start: number, end: number, count: number) => {
      const facts = new Float64Array([9, 9, 9])
      const isRegular = binding().scanRecords(bytes, start, end, count, facts)
      return { isRegular, facts: [...facts] }
    }
    const unknown = { isRegular: false, facts: [9, 9, 9] }

    it('tells of regular records, or nothing', () => {
      const isScanned = binding().kind === 'addon'
      const known = (...facts: number[]) => (isScanned ? { isRegular: true, facts } : unknown)
      expect(scan(records, 0, records.length, 2)).toEqual(known(-1, 0, 1))
      expect(scan(records, 0, first.length, 1)).toEqual(known(0, 0, 1))
      const padded = Buffer.concat([Buffer.alloc(5, 0xff), records, Buffer.alloc(3, 0xff)])
      expect(scan(padded, 5, 5 + records.length, 2)).toEqual(known(-1, 0, 1))
    })

    it('tells nothing of any other bytes', () => {
      expect(scan(records, 0, records.length, 1)).toEqual(unknown)
      expect(scan(records, 0, records.length, 3)).toEqual(unknown)
      expect(scan(records, first.length, records.length, 1)).toEqual(unknown)
      for (let end = 0; end < records.length; end++) {
        if (end === first.length) continue
        const cut = scan(records, 0, end, 2)
        expect(cut).toEqual(unknown)
      }
      expect(scan(Buffer.alloc(40, 0x80), 0, 40, 1)).toEqual(unknown)
      expect(scan(Buffer.alloc(40, 0xff), 0, 40, 1)).toEqual(unknown)
    })

    it('rejects bounds outside the bytes, counts there are not, and other kinds of arrays', () => {
      const facts = new Float64Array(3)
      for (const [start, end, count] of [
        [-1, 5, 1],
        [0, records.length + 1, 1],
        [6, 5, 1],
        [Number.NaN, 5, 1],
        [0, 5, 0],
        [0, 5, 2 ** 31],
      ]) {
        const call = () => binding().scanRecords(records, start!, end!, count!, facts)
        expect(call).toThrow(codeMatching(/^ERR_/))
      }
      const short = () => binding().scanRecords(records, 0, 5, 1, new Float64Array(2))
      expect(short).toThrow(codeMatching(/^ERR_/))
      const text = 'text' as unknown as Uint8Array
      expect(() => binding().scanRecords(text, 0, 1, 1, facts)).toThrow(codeMatching(/^ERR_/))
    })
  })
}

function describeMap(
  binding: () => NativeBinding,
  openFile: OpenFile,
  directory: () => string,
): void {
  describe('map', () => {
    it('shows the content of the file', () => {
      const content = noise(10_000, 2)
      const region = binding().map(openFile(content), 10_000)
      expect(region.byteLength).toBe(10_000)
      expect(Buffer.from(region).equals(content)).toBe(true)
      binding().unmap(region)
    })

    it('maps a first part that ends inside a page', () => {
      const content = noise(10_000, 3)
      const region = binding().map(openFile(content), 4097)
      expect(Buffer.from(region).equals(content.subarray(0, 4097))).toBe(true)
      binding().unmap(region)
    })

    it('keeps what a caller scribbles from the file and from other mappings', () => {
      const fd = openFile(Buffer.alloc(5000, 7))
      const first = binding().map(fd, 5000)
      const second = binding().map(fd, 5000)
      new Uint8Array(first).fill(9)
      expect(new Uint8Array(second)[100]).toBe(7)
      expect(fs.readFileSync(fd).every((byte) => byte === 7)).toBe(true)
      binding().unmap(first)
      binding().unmap(second)
    })

    it('stays valid after the descriptor is closed', () => {
      openFile(Buffer.alloc(5000, 7))
      const fd = fs.openSync(`${directory()}/file`, 'r')
      const region = binding().map(fd, 5000)
      fs.closeSync(fd)
      expect(new Uint8Array(region)[4999]).toBe(7)
      binding().unmap(region)
    })

    it('empties every view when unmapped, and takes a second unmap quietly', () => {
      const region = binding().map(openFile(noise(5000, 4)), 5000)
      const views = [new Uint8Array(region), Buffer.from(region, 100, 50), new DataView(region)]
      binding().unmap(region)
      expect(region.byteLength).toBe(0)
      expect(views[0]!.byteLength).toBe(0)
      expect(views[1]!.byteLength).toBe(0)
      expect((views[0] as Uint8Array)[0]).toBeUndefined()
      expect(() => (views[2] as DataView).getUint8(0)).toThrow(TypeError)
      binding().unmap(region)
    })

    it('leaves buffers that are no mapping alone', () => {
      const foreign = new ArrayBuffer(100)
      binding().unmap(foreign)
      expect(foreign.byteLength).toBe(100)
      expect(() => binding().advise(foreign, 0, 100, 'random')).toThrow(codeMatching(/^EINVAL$/))
      expect(() => binding().syncMap(foreign)).toThrow(codeMatching(/^EINVAL$/))
    })

    it('refuses more than the file holds, and nothing at all', () => {
      const fd = openFile(Buffer.alloc(100))
      expect(() => binding().map(fd, 101)).toThrow(codeMatching(/^EINVAL$/))
      for (const length of [0, -1, 1.5, Number.NaN, 2 ** 60]) {
        expect(() => binding().map(fd, length)).toThrow(codeMatching(/^ERR_OUT_OF_RANGE$/))
      }
      expect(() => binding().map(-1, 100)).toThrow(codeMatching(/^ERR_OUT_OF_RANGE$/))
    })

    it('takes advice for any part, and none for what lies outside', () => {
      const region = binding().map(openFile(noise(20_000, 5)), 20_000)
      for (const advice of ['normal', 'sequential', 'random', 'willneed'] as const) {
        binding().advise(region, 5000, 9000, advice)
      }
      binding().advise(region, 20_000, 0, 'normal')
      expect(() => binding().advise(region, 19_999, 2, 'normal')).toThrow(codeMatching(/^ERR_/))
      binding().syncMap(region)
      binding().unmap(region)
    })

    it('holds many mappings at once and gives all of them back', () => {
      const fd = openFile(Buffer.alloc(8192, 1))
      const regions = Array.from({ length: 200 }, () => binding().map(fd, 8192))
      for (const region of regions) expect(new Uint8Array(region)[8191]).toBe(1)
      for (const region of regions) binding().unmap(region)
      expect(regions.every((region) => region.byteLength === 0)).toBe(true)
    })
  })
}

type Sent = { error: (Error & { code?: string }) | null; sentBytes: number }

function describeSendFile(
  binding: () => NativeBinding,
  openFile: OpenFile,
  directory: () => string,
): void {
  describe('sendFile', () => {
    const pairs: SocketPair[] = []
    const openPair = async () => {
      const pair = await openSocketPair()
      pairs.push(pair)
      return pair
    }

    afterEach(() => {
      for (const pair of pairs.splice(0)) pair.close()
    })

    const send = (target: SendTarget, fd: number, position: number, length: number) => {
      let cancel = () => {}
      const done = new Promise<Sent>((resolve) => {
        const transfer = binding().sendFile(target, fd, position, length, (error, sentBytes) =>
          resolve({ error, sentBytes }),
        )
        cancel = () => transfer.cancel()
      })
      return { done, cancel }
    }

    it('sends a slice of the file, and only that', async () => {
      const content = noise(5 * mebibyte, 6)
      const { target, receiver } = await openPair()
      const { done } = send(target, openFile(content), 1001, 4 * mebibyte)
      const received = await readBytes(receiver, 4 * mebibyte)
      expect(received.equals(content.subarray(1001, 1001 + 4 * mebibyte))).toBe(true)
      expect(await done).toEqual({ error: null, sentBytes: 4 * mebibyte })
    })

    it('keeps its place between what is written before and after', async () => {
      const content = noise(3 * mebibyte, 7)
      const fd = openFile(content)
      const { sender, target, receiver } = await openPair()
      const expected: Buffer[] = []
      const sending = (async () => {
        for (let round = 0; round < 5; round++) {
          const header = Buffer.from(`header ${round} `)
          const slice = content.subarray(round * 1000, round * 1000 + 600_000)
          expected.push(header, slice)
          await new Promise((resolve) => sender.write(header, resolve))
          await send(target, fd, round * 1000, 600_000).done
        }
      })()
      const total = 5 * (600_000 + 'header 0 '.length)
      const received = await readBytes(receiver, total)
      await sending
      expect(received.equals(Buffer.concat(expected))).toBe(true)
    })

    it('never calls done before it returned', async () => {
      const fd = openFile(Buffer.alloc(10))
      const { target } = await openPair()
      for (const length of [0, 10]) {
        let hasReturned = false
        const order = new Promise<boolean>((resolve) => {
          binding().sendFile(target, fd, 0, length, () => resolve(hasReturned))
        })
        hasReturned = true
        expect(await order).toBe(true)
      }
    })

    it('sends nothing for an empty slice', async () => {
      const { target } = await openPair()
      expect(await send(target, openFile(noise(10, 8)), 5, 0).done).toEqual({
        error: null,
        sentBytes: 0,
      })
    })

    it('waits for a slow reader while timers and immediates go on', async () => {
      const content = noise(48 * mebibyte, 9)
      const { target, receiver } = await openPair()
      let isDone = false
      const { done } = send(target, openFile(content), 0, content.length)
      void done.then(() => {
        isDone = true
      })
      for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
      await new Promise((resolve) => setTimeout(resolve, 1))
      expect(isDone).toBe(false)
      const received = await readBytes(receiver, content.length)
      expect(received.equals(content)).toBe(true)
      expect(await done).toEqual({ error: null, sentBytes: content.length })
    })

    it('serves many connections at once', async () => {
      const content = noise(mebibyte, 10)
      const fd = openFile(content)
      await Promise.all(
        Array.from({ length: 12 }, async (_, at) => {
          const { target, receiver } = await openPair()
          const { done } = send(target, fd, at * 11, 900_000)
          const received = await readBytes(receiver, 900_000)
          expect(received.equals(content.subarray(at * 11, at * 11 + 900_000))).toBe(true)
          expect(await done).toEqual({ error: null, sentBytes: 900_000 })
        }),
      )
    })

    it('sends what the page cache lacks between what it has, to many at once', async () => {
      const content = noise(9 * mebibyte, 15)
      const fd = openFile(content)
      dropFromCache(join(directory(), 'file'))
      for (const at of [0, 200_000, 3 * mebibyte, 7 * mebibyte]) {
        fs.readSync(fd, Buffer.alloc(5000), 0, 5000, at)
      }
      await Promise.all(
        Array.from({ length: 5 }, async (_, at) => {
          const { target, receiver } = await openPair()
          const start = at * mebibyte + at
          const { done } = send(target, fd, start, content.length - start)
          const received = await readBytes(receiver, content.length - start)
          expect(received.equals(content.subarray(start))).toBe(true)
          expect(await done).toEqual({ error: null, sentBytes: content.length - start })
        }),
      )
    })

    it('can be cancelled while it waits for the disk, or for others that do', async () => {
      const content = noise(9 * mebibyte, 16)
      const fd = openFile(content)
      dropFromCache(join(directory(), 'file'))
      const pairs = await Promise.all(Array.from({ length: 6 }, openPair))
      const transfers = pairs.map(({ target }) => send(target, fd, 0, content.length))
      for (const { cancel } of transfers.slice(1)) cancel()
      for (const { done } of transfers.slice(1)) {
        expect((await done).error?.code).toBe('ECANCELED')
      }
      const received = await readBytes(pairs[0]!.receiver, content.length)
      expect(received.equals(content)).toBe(true)
      expect(await transfers[0]!.done).toEqual({ error: null, sentBytes: content.length })
    })

    it('reports a cold file that ends inside the slice', async () => {
      const content = noise(mebibyte, 17)
      const fd = openFile(content)
      dropFromCache(join(directory(), 'file'))
      const { target, receiver } = await openPair()
      const { done } = send(target, fd, 100, 2 * mebibyte)
      const received = await readBytes(receiver, mebibyte - 100)
      expect(received.equals(content.subarray(100))).toBe(true)
      const { error, sentBytes } = await done
      expect([error?.code, sentBytes]).toEqual(['ESTALE', mebibyte - 100])
    })

    it('stops when cancelled, and says how far it came', async () => {
      const content = noise(48 * mebibyte, 11)
      const { target } = await openPair()
      const { done, cancel } = send(target, openFile(content), 0, content.length)
      await new Promise((resolve) => setImmediate(resolve))
      cancel()
      cancel()
      const { error, sentBytes } = await done
      expect(error?.code).toBe('ECANCELED')
      expect(sentBytes).toBeLessThan(content.length)
      cancel()
    })

    it('can be cancelled in the turn that started it', async () => {
      const { target } = await openPair()
      const { done, cancel } = send(target, openFile(Buffer.alloc(100)), 0, 100)
      cancel()
      expect((await done).error?.code).toBe('ECANCELED')
    })

    it('reports a peer that reset the connection, without a signal', async () => {
      const content = noise(48 * mebibyte, 12)
      const { target, receiver } = await openPair()
      const { done } = send(target, openFile(content), 0, content.length)
      await new Promise((resolve) => setImmediate(resolve))
      receiver.resetAndDestroy()
      const { error, sentBytes } = await done
      expect(error?.code).toMatch(/^(EPIPE|ECONNRESET)$/)
      expect(sentBytes).toBeLessThan(content.length)
    })

    it('reports a peer that was gone before', async () => {
      const { target, receiver } = await openPair()
      // The sending end is paused, so Node reads nothing there and keeps its descriptor open.
      const isGone = new Promise((resolve) => receiver.once('close', resolve))
      receiver.resetAndDestroy()
      await isGone
      const { done } = send(target, openFile(noise(mebibyte, 13)), 0, mebibyte)
      expect((await done).error?.code).toMatch(/^(EPIPE|ECONNRESET)$/)
    })

    it('reports a file that ends inside the slice', async () => {
      const content = noise(100_000, 14)
      const { target, receiver } = await openPair()
      const { done } = send(target, openFile(content), 40_000, 100_000)
      const received = await readBytes(receiver, 60_000)
      expect(received.equals(content.subarray(40_000))).toBe(true)
      const { error, sentBytes } = await done
      expect(error?.code).toBe('ESTALE')
      expect(sentBytes).toBe(60_000)
    })

    it('rejects arguments that make no sense, and calls nothing', async () => {
      const fd = openFile(Buffer.alloc(10))
      const { target } = await openPair()
      const never = () => {
        throw new Error('done was called')
      }
      for (const [position, length] of [
        [-1, 5],
        [0, -1],
        [0.5, 1],
        [0, Number.NaN],
      ]) {
        expect(() => binding().sendFile(target, fd, position!, length!, never)).toThrow(
          codeMatching(/^ERR_OUT_OF_RANGE$/),
        )
      }
      const noFunction = undefined as unknown as () => void
      expect(() => binding().sendFile(target, fd, 0, 5, noFunction)).toThrow(
        codeMatching(/^ERR_INVALID_ARG_TYPE$/),
      )
    })
  })
}

function describeFileOperations(
  binding: () => NativeBinding,
  openFile: OpenFile,
  directory: () => string,
): void {
  describe('file operations', () => {
    it('counts as cached what nobody can tell of', () => {
      const fd = openFile(Buffer.alloc(100))
      expect(binding().isCached(fd, 0, 100)).toBe(true)
      expect(binding().isCached(fd, 5000, mebibyte)).toBe(true)
      expect(binding().isCached(1_000_000, 0, 1)).toBe(true)
      for (const [position, length] of [
        [-1, 1],
        [0, 0],
        [0.5, 1],
        [0, Number.NaN],
      ]) {
        expect(() => binding().isCached(fd, position!, length!)).toThrow(
          codeMatching(/^ERR_OUT_OF_RANGE$/),
        )
      }
    })

    it.skipIf(!canDropFromCache())(
      'tells what the page cache lacks [skipped where nothing can be dropped from it]',
      () => {
        const fd = openFile(noise(4 * mebibyte, 18))
        expect(binding().isCached(fd, 0, 4 * mebibyte)).toBe(true)
        const canTell = binding().kind === 'addon'
        // A look at a page may have it read, so that the next finds it.
        for (const [position, length] of [
          [0, 4 * mebibyte],
          [mebibyte, 1],
        ] as const) {
          const isCold = () => binding().isCached(fd, position, length) !== canTell
          expect(dropUntil(join(directory(), 'file'), isCold)).toBe(true)
        }
        fs.readSync(fd, Buffer.alloc(4 * mebibyte))
        expect(binding().isCached(fd, 0, 4 * mebibyte)).toBe(true)
      },
    )

    it('reserves blocks, or says that it cannot, and leaves content and size', () => {
      const fd = openFile(Buffer.alloc(1000, 7), 'r+')
      const isReserved = binding().reserve(fd, 1000, 299_000)
      expect(isReserved === false || fs.fstatSync(fd).blocks * 512 >= 300_000).toBe(true)
      expect(fs.readFileSync(fd).equals(Buffer.alloc(1000, 7))).toBe(true)
      fs.ftruncateSync(fd, 1000)
      expect(fs.fstatSync(fd).blocks * 512).toBeLessThan(300_000)
    })

    it('refuses to reserve nothing, and on what is no file', () => {
      const fd = openFile(Buffer.alloc(10), 'r+')
      expect(() => binding().reserve(fd, 0, 0)).toThrow(codeMatching(/^ERR_OUT_OF_RANGE$/))
      expect(() => binding().reserve(1_000_000, 0, 1)).toThrow(codeMatching(/^EBADF$/))
    })

    it('writes durably, past the page cache or through it', () => {
      const fd = openFile(Buffer.alloc(10_000, 1), 'r+')
      const room = Buffer.alloc(8192)
      const page = room.subarray((4096 - binding().pageOffset(room)) % 4096).subarray(0, 4096)
      page.fill(2)
      binding().writeDurable(fd, -1, page, 0)
      expect(fs.readFileSync(fd)[4095]).toBe(2)
      const direct = fs.openSync(join(directory(), 'file'), O_RDWR | O_DIRECT)
      try {
        page.fill(3)
        binding().writeDurable(fd, direct, page, 4096)
        binding().writeDurable(fd, direct, page.subarray(1, 8), 1)
        const found = Buffer.alloc(8192)
        fs.readSync(fd, found, 0, 8192, 0)
        expect([found[0], found[1], found[7], found[8], found[4096], found[8191]]).toEqual([
          2, 3, 3, 2, 3, 3,
        ])
      } finally {
        fs.closeSync(direct)
      }
    })

    it('begins to write durably and holds the bytes until then, or says that it cannot', async () => {
      const fd = openFile(Buffer.alloc(32_768))
      const direct = fs.openSync(join(directory(), 'file'), O_RDWR | O_DIRECT)
      const room = Buffer.alloc(36_864)
      const at = (4096 - binding().pageOffset(room)) % 4096
      const page = (index: number) => room.subarray(at + index * 4096, at + (index + 1) * 4096)
      const writes = Array.from({ length: 8 }, (_, index) =>
        binding().writeDurableLater(direct, page(index).fill(index + 1), index * 4096),
      )
      fs.closeSync(direct)
      await Promise.all(writes)
      const isPossible = writes[0] !== undefined
      expect(isPossible && binding().kind === 'portable').toBe(false)
      const found = Buffer.alloc(32_768)
      fs.readSync(fd, found, 0, found.length, 0)
      const expected = isPossible ? room.subarray(at, at + 32_768) : Buffer.alloc(32_768)
      expect(found.equals(expected)).toBe(true)
      expect(binding().writeDurableLater(fd, page(0).subarray(1), 0)).toBeUndefined()
      expect(binding().writeDurableLater(fd, page(0), 100)).toBeUndefined()
    })

    it('writes nothing and says so when more is under way than it can tell of', async () => {
      openFile(Buffer.alloc(4096))
      const direct = fs.openSync(join(directory(), 'file'), O_RDWR | O_DIRECT)
      const room = Buffer.alloc(8192, 7)
      const page = room.subarray((4096 - binding().pageOffset(room)) % 4096).subarray(0, 4096)
      const writes = Array.from({ length: 100 }, () => binding().writeDurableLater(direct, page, 0))
      expect(writes.at(-1)).toBeUndefined()
      await Promise.all(writes)
      // And then it can again.
      const again = binding().writeDurableLater(direct, page, 0)
      expect(again === undefined).toBe(writes[0] === undefined)
      await again
      fs.closeSync(direct)
    })

    it('waits for durable writes on this thread, and throws what one of them failed with', async () => {
      openFile(Buffer.alloc(8192), 'r+')
      const open = () => fs.openSync(join(directory(), 'file'), O_RDWR | O_DIRECT)
      const [direct, other] = [open(), open()]
      const room = Buffer.alloc(8192, 7)
      const page = room.subarray((4096 - binding().pageOffset(room)) % 4096).subarray(0, 4096)
      let isTold = false
      const written = binding().writeDurableLater(direct, page, 4096)
      void written?.then(() => {
        isTold = true
      })
      expect(binding().finishDurableWrites(direct)).toBe(written === undefined ? 0 : 1)
      expect(binding().finishDurableWrites(direct)).toBe(0)
      expect(isTold).toBe(false)
      await Promise.resolve()
      expect(isTold).toBe(written !== undefined)
      const failing = binding().writeDurableLater(direct, page, 2 ** 52)
      const code = failing?.then(
        () => 'done',
        (error: NodeJS.ErrnoException) => error.code,
      )
      let thrown: unknown
      try {
        binding().finishDurableWrites(direct)
      } catch (error) {
        thrown = (error as NodeJS.ErrnoException).code
      }
      const found = await code
      expect(thrown).toBe(found === 'done' ? undefined : found)
      // That of another descriptor is none of its business.
      const foreign = binding().writeDurableLater(other, page, 2 ** 52)
      foreign?.catch(() => {})
      binding().finishDurableWrites(direct)
      for (const fd of [direct, other]) fs.closeSync(fd)
      expect(() => binding().finishDurableWrites(-1)).toThrow(codeMatching(/^ERR_OUT_OF_RANGE$/))
    })

    it('rejects a durable write that fails with what a plain one fails with', async () => {
      const fd = openFile(Buffer.alloc(4096), 'r+')
      const direct = fs.openSync(join(directory(), 'file'), O_RDWR | O_DIRECT)
      const room = Buffer.alloc(8192, 7)
      const page = room.subarray((4096 - binding().pageOffset(room)) % 4096).subarray(0, 4096)
      const beyond = 2 ** 52 // Larger than ext4 lets a file be.
      const outcome = async (write: () => unknown): Promise<unknown> => {
        try {
          await write()
          return 'done'
        } catch (error) {
          return (error as NodeJS.ErrnoException).code
        }
      }
      const plain = await outcome(() => fs.writeSync(fd, page, 0, page.length, beyond))
      const durable = binding().writeDurableLater(direct, page, beyond)
      if (durable !== undefined) expect(await outcome(() => durable)).toBe(plain)
      fs.closeSync(direct)
    })

    it('refuses a durable write that makes no sense', () => {
      openFile(Buffer.alloc(4096))
      const readOnly = fs.openSync(join(directory(), 'file'), O_RDONLY | O_DIRECT)
      const room = Buffer.alloc(8192, 7)
      const page = room.subarray((4096 - binding().pageOffset(room)) % 4096).subarray(0, 4096)
      // A descriptor that cannot write is refused at once, so that the caller goes the other way.
      expect(binding().writeDurableLater(readOnly, page, 0)).toBeUndefined()
      fs.closeSync(readOnly)
      const wrong = 'text' as unknown as Buffer
      expect(() => binding().writeDurableLater(0, wrong, 0)).toThrow(
        codeMatching(/^ERR_INVALID_ARG_TYPE$/),
      )
      expect(() => binding().writeDurableLater(-1, page, 0)).toThrow(
        codeMatching(/^ERR_OUT_OF_RANGE$/),
      )
      expect(() => binding().writeDurableLater(0, page, -1)).toThrow(
        codeMatching(/^ERR_OUT_OF_RANGE$/),
      )
    })

    it('duplicates a descriptor, or says that it cannot', () => {
      const fd = openFile(Buffer.from('text'))
      const copy = binding().duplicate(fd)
      if (copy === undefined) return
      expect(copy).not.toBe(fd)
      const bytes = Buffer.alloc(4)
      expect([fs.readSync(copy, bytes, 0, 4, 0), bytes.toString()]).toEqual([4, 'text'])
      fs.closeSync(copy)
      expect(() => binding().duplicate(copy)).toThrow(codeMatching(/^EBADF$/))
      // What may be held for a socket is limited for sockets only.
      expect(() => binding().limitSendBuffer(fd, 4096)).toThrow(codeMatching(/^ENOTSOCK$/))
    })

    it('refuses to write durably what is no bytes, and nowhere', () => {
      const fd = openFile(Buffer.alloc(10), 'r')
      const bytes = Buffer.alloc(1)
      expect(() => binding().writeDurable(fd, -1, bytes, 0)).toThrow(codeMatching(/^EBADF$/))
      expect(() => binding().writeDurable(fd, -2, bytes, 0)).toThrow(
        codeMatching(/^ERR_OUT_OF_RANGE$/),
      )
      expect(() => binding().writeDurable(fd, -1, bytes, -1)).toThrow(
        codeMatching(/^ERR_OUT_OF_RANGE$/),
      )
      const wrong = 'text' as unknown as Buffer
      expect(() => binding().writeDurable(fd, -1, wrong, 0)).toThrow(
        codeMatching(/^ERR_INVALID_ARG_TYPE$/),
      )
      expect(() => binding().pageOffset(wrong)).toThrow(codeMatching(/^ERR_INVALID_ARG_TYPE$/))
    })

    it('flushes files and directories', async () => {
      const fd = openFile(noise(1000, 15), 'r+')
      await binding().fdatasync(fd)
      binding().fdatasyncSync(fd)
      await binding().syncDirectory(directory())
      binding().syncDirectorySync(directory())
    })

    it('reports what cannot be flushed with code and system call', async () => {
      const closed = 1_000_000
      await expect(binding().fdatasync(closed)).rejects.toMatchObject({
        code: 'EBADF',
        syscall: 'fdatasync',
      })
      expect(() => binding().fdatasyncSync(closed)).toThrow(codeMatching(/^EBADF$/))
      const missing = `${directory()}/missing`
      await expect(binding().syncDirectory(missing)).rejects.toMatchObject({ code: 'ENOENT' })
      expect(() => binding().syncDirectorySync(missing)).toThrow(codeMatching(/^ENOENT$/))
    })

    it('flushes many files and directories, each with its own outcome', async () => {
      // With few, and with so many on one file system that one system call may serve them.
      for (const count of [0, 2, 40]) {
        const fds = Array.from({ length: count }, (_, i) => openFile(noise(100 + i, i), 'r+'))
        const paths = [directory(), `${directory()}/missing`, directory()]
        const errors = await binding().syncMany([...fds, 1_000_000], paths)
        expect(errors).toHaveLength(count + 4)
        const codes = errors.map((error) => (error as NodeJS.ErrnoException | undefined)?.code)
        const fine = Array.from({ length: count }, () => undefined)
        expect(codes).toEqual([...fine, 'EBADF', undefined, 'ENOENT', undefined])
        expect(errors[count]).toMatchObject({ syscall: 'fdatasync' })
      }
      expect(await binding().syncMany([], [])).toEqual([])
    })

    it('refuses wrong arguments of many', () => {
      const wrong = 'text' as never
      for (const [fds, directories, code] of [
        [wrong, [], 'ERR_INVALID_ARG_TYPE'],
        [[], wrong, 'ERR_INVALID_ARG_TYPE'],
        [[wrong], [], 'ERR_INVALID_ARG_TYPE'],
        [[-1], [], 'ERR_OUT_OF_RANGE'],
        [[], [1 as never], 'ERR_INVALID_ARG_TYPE'],
      ] as const) {
        expect(() => binding().syncMany(fds, directories)).toThrow(
          codeMatching(RegExp(`^${code}$`)),
        )
      }
    })

    it('locks a file once, until the descriptor is closed, or says that it cannot', () => {
      const path = `${directory()}/locked`
      const [first, second] = [fs.openSync(path, 'w+'), fs.openSync(path, 'r+')]
      const taken = binding().tryLock(first)
      expect(binding().tryLock(second)).toBe(taken === undefined ? undefined : false)
      fs.closeSync(first)
      expect(binding().tryLock(second)).toBe(taken)
      fs.closeSync(second)
      expect(taken).toBe(binding().kind === 'addon' ? true : undefined)
    })
  })
}

/** Matches an Error whose `code` fits. */
function codeMatching(pattern: RegExp): Error {
  return expect.objectContaining({ code: expect.stringMatching(pattern) })
}

/** Repeatable bytes without a pattern. */
export function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let state = seed * 2654435761
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    bytes[at] = state >>> 24
  }
  return bytes
}

function definedCrc32c(bytes: Uint8Array): number {
  let remainder = 0xffffffff
  for (const byte of bytes) {
    remainder ^= byte
    for (let bit = 0; bit < 8; bit++) {
      remainder = (remainder >>> 1) ^ ((remainder & 1) === 1 ? 0x82f63b78 : 0)
    }
  }
  return ~remainder >>> 0
}
