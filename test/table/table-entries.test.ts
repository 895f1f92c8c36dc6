/**
 * Goal: memory holds what a Map would, in the order of keys, however it was changed.
 * Method: random changes beside a Map; keys that collide, share prefixes and end in zeros; values so
 * large that dead memory is won back; scans as a snapshot makes them.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Chunk, dying, entryHeaderSize, live, placeOf } from '../../src/table/entry-arena.ts'
import { TableEntries } from '../../src/table/table-entries.ts'

const gib = 2 ** 30
const newEntries = (seed = 1, maxBytes = gib) => new TableEntries({ name: 't', maxBytes, seed })

function put(entries: TableEntries, key: string | Uint8Array, value: string | Uint8Array): void {
  entries.settle([entries.stage(key, value)])
  entries.reclaim(1)
}

function remove(entries: TableEntries, key: string | Uint8Array): void {
  entries.settle([entries.stage(key, null)])
  entries.reclaim(1)
}

function bytesAt(entries: TableEntries, ref: number): { key: Buffer; value: Buffer } {
  const { arena } = entries
  const start = placeOf(ref) + entryHeaderSize
  const end = start + arena.keyLengthOf(ref)
  const bytes = arena.bytesOf(ref)
  const value = bytes.subarray(end, end + arena.valueLengthOf(ref))
  return { key: bytes.subarray(start, end), value }
}

function textOf(entries: TableEntries, key: string | Uint8Array): string | undefined {
  const ref = entries.find(key)
  return ref === 0 ? undefined : bytesAt(entries, ref).value.toString('latin1')
}

/** What a snapshot takes of a chunk; values without the spaces at their end. */
function scannedIn(entries: TableEntries, chunk: Chunk): Map<string, string> {
  const found = new Map<string, string>()
  for (let at = 0; at < chunk.scanEnd; ) {
    const ref = entries.arena.refAt(chunk.number, at)
    const state = entries.arena.stateOf(ref)
    const { key, value } = bytesAt(entries, ref)
    if (state === live || state === dying)
      found.set(String(key), String(value).replace(/[ .]+$/, ''))
    at += entries.arena.sizeOf(ref)
  }
  return found
}

function orderedKeys(entries: TableEntries): string[] {
  const order = entries.order()
  const keys: string[] = []
  const position = order.start()
  for (let ref = order.at(position); ref !== 0; ref = order.at(position)) {
    keys.push(bytesAt(entries, ref).key.toString('latin1'))
    order.advance(position)
  }
  return keys
}

/** Latin-1 text stands for bytes here: code units in the order of bytes. */
const sorted = (keys: Iterable<string>) => [...keys].sort((a, b) => (a < b ? -1 : 1))

const byteKey = fc
  .array(fc.constantFrom(0, 0, 1, 97, 255), { maxLength: 12 })
  .map((bytes) => Buffer.from(bytes))

describe('entries of a table', () => {
  it('are those of a Map, in order, whatever was put and deleted', () => {
    const change = fc.record({
      key: byteKey,
      size: fc.constantFrom(0, 1, 30, 5_000, 40_000),
      isDelete: fc.boolean(),
      isOrdered: fc.boolean(),
    })
    const changes = fc.array(change, { maxLength: 200 })
    fc.assert(
      fc.property(changes, fc.integer(), (list, seed) => {
        const entries = newEntries(seed)
        const model = new Map<string, string>()
        list.forEach(({ key, size, isDelete, isOrdered }, i) => {
          const name = key.toString('latin1')
          if (isDelete) {
            remove(entries, key)
            model.delete(name)
          } else {
            const value = `${i}`.padEnd(size, 'x')
            put(entries, key, value)
            model.set(name, value)
          }
          if (isOrdered && i > list.length / 2) entries.order()
        })
        expect(entries.size).toBe(model.size)
        for (const { key } of list) {
          expect(textOf(entries, key)).toBe(model.get(key.toString('latin1')))
        }
        expect(orderedKeys(entries)).toEqual(sorted(model.keys()))
      }),
      { numRuns: 200 },
    )
  })

  it('are sorted, many of them, whatever their keys share', () => {
    fc.assert(
      fc.property(fc.array(byteKey, { maxLength: 3000, size: 'max' }), (keys) => {
        const entries = newEntries()
        for (const key of keys) put(entries, key, '')
        const model = new Set(keys.map((key) => key.toString('latin1')))
        expect(orderedKeys(entries)).toEqual(sorted(model))
      }),
      { numRuns: 30 },
    )
  })

  it('stay in order when thousands come and go one by one', () => {
    const entries = newEntries()
    const model = new Set<string>()
    entries.order()
    for (let i = 0; i < 5000; i++) {
      const key = String((i * 7919) % 5000)
      put(entries, key, 'v')
      model.add(key)
    }
    expect(orderedKeys(entries)).toEqual(sorted(model))
    for (let i = 0; i < 5000; i += 2) {
      remove(entries, String(i))
      model.delete(String(i))
    }
    expect(orderedKeys(entries)).toEqual(sorted(model))
    for (let i = 5000; i < 8000; i++) put(entries, `z${i}`, 'v')
    expect(entries.size).toBe(5500)
    expect(orderedKeys(entries).slice(-2)).toEqual(['z7998', 'z7999'])
  })

  it('are found by text as by its UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer(), (key, seed) => {
        const entries = newEntries(seed)
        put(entries, key, 'text')
        expect(textOf(entries, Buffer.from(key))).toBe('text')
        put(entries, Buffer.from(key), 'bytes')
        expect(textOf(entries, key)).toBe('bytes')
        expect(entries.size).toBe(1)
      }),
    )
  })

  it('leave no more dead memory than half of what lives and a little', () => {
    const entries = newEntries()
    for (let round = 0; round < 50; round++) {
      for (let i = 0; i < 200; i++) put(entries, `key ${i}`, `${round}`.padEnd(1000, '.'))
      if (round === 25) entries.order()
    }
    const liveBytes = 200 * 1024
    expect(entries.liveBytes).toBeLessThanOrEqual(liveBytes)
    expect(entries.memoryBytes).toBeLessThan(5 * liveBytes)
    expect(orderedKeys(entries)).toHaveLength(200)
    for (let i = 0; i < 200; i++) expect(textOf(entries, `key ${i}`)).toMatch(/^49\./)
  })

  it('are for a scan those that lived when it began', () => {
    const entries = newEntries()
    for (let i = 0; i < 100; i++) put(entries, `key ${i}`, 'old')
    const late = entries.stage('late', 'staged before, shown after')
    const chunks = entries.beginScan()
    for (let i = 0; i < 50; i++) put(entries, `key ${i}`, 'new')
    for (let i = 50; i < 75; i++) remove(entries, `key ${i}`)
    put(entries, 'more', 'new')
    entries.settle([late])
    const seen = new Map<string, string>()
    for (const chunk of chunks) {
      for (const [key, value] of scannedIn(entries, chunk)) seen.set(key, value)
    }
    expect(seen.size).toBe(100)
    expect(new Set(seen.values())).toEqual(new Set(['old']))
    entries.endScan()
    expect(entries.size).toBe(77)
    expect([textOf(entries, 'key 0'), textOf(entries, 'late')]).toEqual([
      'new',
      'staged before, shown after',
    ])
  })

  it('are for scans those that lived when each began, whatever changes while they go on', () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ key: fc.nat(12), size: fc.constantFrom(1, 9e3, 6e4, 2e5) }),
      },
      { weight: 2, arbitrary: fc.record({ key: fc.nat(12), size: fc.constant(-1) }) },
      { weight: 3, arbitrary: fc.constantFrom('stage', 'settle', 'discard') },
      { weight: 5, arbitrary: fc.constant('scan') },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: 'max' }), (steps) => {
        const entries = newEntries()
        const model = new Map<string, string>()
        const waiting: { key: string; value: string; ref: number }[] = []
        let scan:
          | { chunks: Chunk[]; wanted: Map<string, string>; seen: Map<string, string> }
          | undefined
        const goOn = (): void => {
          scan ??= { chunks: entries.beginScan(), wanted: new Map(model), seen: new Map() }
          const chunk = scan.chunks.shift()
          if (chunk === undefined) {
            expect(scan.seen).toEqual(scan.wanted)
            entries.endScan()
            scan = undefined
            return
          }
          for (const [key, value] of scannedIn(entries, chunk)) scan.seen.set(key, value)
          entries.scanned(chunk)
        }
        steps.forEach((one, i) => {
          const value = `${i}`
          if (one === 'scan') goOn()
          else if (one === 'stage') {
            const key = `k${i % 13}`
            waiting.push({ key, value, ref: entries.stage(key, value) })
          } else if (typeof one === 'string') {
            const staged = waiting.shift()
            if (staged === undefined) return
            if (one === 'discard') entries.discard(staged.ref)
            else {
              entries.settle([staged.ref])
              model.set(staged.key, staged.value)
            }
            entries.reclaim(1)
          } else if (one.size < 0) {
            remove(entries, `k${one.key}`)
            model.delete(`k${one.key}`)
          } else {
            put(entries, `k${one.key}`, value.padEnd(one.size))
            model.set(`k${one.key}`, value)
          }
        })
        while (scan !== undefined) goOn()
        for (let key = 0; key < 13; key++) {
          expect(textOf(entries, `k${key}`)?.trim()).toBe(model.get(`k${key}`))
        }
        expect(entries.size).toBe(model.size)
      }),
      { numRuns: 300 },
    )
  })

  it('leave little dead memory also while a scan goes on that began before', () => {
    const entries = newEntries()
    const round = (text: string): void => {
      for (let i = 0; i < 40; i++) put(entries, `key ${i}`, text.padEnd(100_000, '.'))
    }
    round('old')
    const { liveBytes, memoryBytes } = entries
    const chunks = entries.beginScan()
    for (let i = 0; i < 10; i++) round(`new ${i}`)
    expect(entries.memoryBytes).toBeLessThan(3.5 * memoryBytes)
    for (const chunk of chunks) {
      expect([...scannedIn(entries, chunk).values()].every((value) => value === 'old')).toBe(true)
      entries.scanned(chunk)
    }
    for (let i = 0; i < 40; i++) entries.settle([entries.stage(`key ${i}`, null)])
    entries.endScan()
    // Nothing lives, and nobody has to change anything for that.
    expect(entries.memoryBytes).toBeLessThan(600_000)
    round('last')
    expect(entries.liveBytes).toBe(liveBytes)
    expect(entries.memoryBytes).toBeLessThan(2.5 * memoryBytes)
  })

  it('do not take a chunk of the others when they are large', () => {
    const entries = newEntries()
    for (let i = 0; i < 100; i++) {
      put(entries, `large ${i}`, 'x'.repeat(200_000))
      put(entries, `small ${i}`, 'x')
    }
    expect(entries.memoryBytes).toBeLessThan(1.05 * entries.liveBytes)
  })

  it('are refused beyond the bound, but for deletions', () => {
    const entries = newEntries(1, 100)
    put(entries, 'a', 'x'.repeat(60))
    expect(() => entries.stage('b', 'x'.repeat(60))).toThrow('more than its 100 bytes')
    remove(entries, 'a')
    put(entries, 'b', 'x'.repeat(60))
    expect(entries.size).toBe(1)
  })
})
