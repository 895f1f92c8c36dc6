/**
 * Goal: a snapshot gives back what was written or says that it is damaged; nothing is lost silently.
 * Method: every byte of a file flipped, every length cut; then the same under a table.
 */
import { describe, expect, it } from 'vitest'
import { StoreFormatError, TableCodecError } from '../../src/base/errors.ts'
import type { Offset } from '../../src/base/types.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { TableEntries } from '../../src/table/table-entries.ts'
import { SnapshotReader, SnapshotWriter, snapshotPath } from '../../src/table/table-snapshot.ts'
import { dataPath, openOn, simDisk } from '../support/log-inspection.ts'
import { bareTable, snapshotsOf } from '../support/table-harness.ts'

const offset = 1042 as Offset
const path = snapshotPath(dataPath, offset)
const header = { offset, keyCodec: 'string', valueCodec: 'bytes' }

const newEntries = () => new TableEntries({ name: 't', maxBytes: 2 ** 30, seed: 7 })

async function writeSnapshot(disk: SimFileSystem, entries: TableEntries): Promise<void> {
  const writer = new SnapshotWriter(disk, dataPath, header)
  for (const chunk of entries.beginScan()) writer.add(chunk)
  entries.endScan()
  await writer.finish()
}

function readSnapshot(disk: SimFileSystem): TableEntries {
  const entries = newEntries()
  const reader = new SnapshotReader(disk, path)
  try {
    expect(reader.header).toEqual(header)
    for (let block = reader.next(); block !== undefined; block = reader.next()) {
      reader.countEntries(entries.adopt(block, (bytes, at) => reader.sizeAt(bytes, at)))
    }
  } finally {
    reader.close()
  }
  return entries
}

function put(entries: TableEntries, key: string, value: string): void {
  entries.settle([entries.stage(key, value)])
}

function contentOf(disk: SimFileSystem, name: string): Buffer {
  const file = disk.open(name, 'read')
  const bytes = Buffer.alloc(file.size())
  file.read(bytes, 0)
  file.close()
  return bytes
}

describe('a table snapshot', () => {
  it('is the bytes that docs/file-format.md shows', async () => {
    const disk = simDisk()
    const entries = newEntries()
    put(entries, 'a', 'one')
    await writeSnapshot(disk, entries)
    expect(
      contentOf(disk, path)
        .toString('hex')
        .match(/.{1,16}/g),
    ).toEqual(
      [
        ...['737472617461626c', '0001 000000000000', '0412 0006 737472696e67', '0005 6279746573'],
        ...['c9f59687', '00000010 aea11e8a', '00000001 00000003 61 6f6e65 00000000'],
        ...['00000000 0000000000000001 6b5702fd'],
      ]
        .join('')
        .replaceAll(' ', '')
        .match(/.{1,16}/g),
    )
  })

  it('gives back entries of every size', async () => {
    const disk = simDisk()
    const entries = newEntries()
    const sizes = [0, 1, 7, 8, 9, 1000, 70_000, 262_128, 262_136, 300_000, 1_000_000, 5]
    sizes.forEach((size, i) => {
      put(entries, `key ${i}`, 'x'.repeat(size))
    })
    put(entries, '', 'empty key')
    for (let i = 0; i < 10_000; i++) put(entries, `many ${i}`, `${i}`)
    await writeSnapshot(disk, entries)
    const found = readSnapshot(disk)
    expect(found.size).toBe(sizes.length + 10_001)
    sizes.forEach((size, i) => {
      expect(found.arena.valueLengthOf(found.find(`key ${i}`))).toBe(size)
    })
    expect(found.holds(found.find('many 77'), Buffer.from('77'))).toBe(true)
  })

  it('is refused when any byte is changed or missing', async () => {
    const disk = simDisk()
    const entries = newEntries()
    for (let i = 0; i < 5; i++) put(entries, `k${i}`, 'value')
    await writeSnapshot(disk, entries)
    const { length } = contentOf(disk, path)
    for (let at = 0; at < length; at++) {
      const copy = disk.processCrash()
      copy.flipBits(path, at, 1 << (at % 8))
      expect(() => readSnapshot(copy), `byte ${at}`).toThrow(StoreFormatError)
      const cut = disk.processCrash()
      const file = cut.open(path, 'write')
      file.truncate(at)
      file.close()
      expect(() => readSnapshot(cut), `cut at ${at}`).toThrow(StoreFormatError)
    }
    const longer = disk.processCrash()
    const file = longer.open(path, 'write')
    file.write(Buffer.from([0]), length)
    file.close()
    expect(() => readSnapshot(longer)).toThrow(StoreFormatError)
  })
})

describe('a table with a damaged snapshot', () => {
  async function twoSnapshots() {
    const disk = simDisk()
    const store = await openOn(disk)
    const { table } = await bareTable(disk, store, { key: 'string', value: 'string' })
    await table.put('a', '1')
    await table.snapshot()
    const [older] = snapshotsOf(disk, table)
    const olderBytes = contentOf(disk, `${table.log.directory}/${older}`)
    await table.put('b', '2')
    return { disk, table, store, older: `${table.log.directory}/${older}`, olderBytes }
  }

  it('uses the one before it when the log reaches back to that', async () => {
    const { disk, table, older } = await twoSnapshots()
    // As if the stop had come before the trim: the newer file is there and the log is whole.
    const newer = `${table.log.directory}/${String(2).padStart(20, '0')}.table`
    const file = disk.open(newer, 'create')
    file.write(Buffer.from('stratabl, torn'), 0)
    file.close()
    const copy = disk.processCrash()
    const again = await bareTable(copy, await openOn(copy), { key: 'string', value: 'string' })
    expect([...again.table]).toEqual([
      ['a', '1'],
      ['b', '2'],
    ])
    expect(again.messages()).toContain('a table snapshot is damaged: looking for an older one')
    expect(older).toBeDefined()
    await again.table.put('c', '3')
    await again.table.snapshot()
    expect(snapshotsOf(copy, again.table)).toEqual([`${String(3).padStart(20, '0')}.table`])
  })

  it('does not open when changes are missing', async () => {
    const { disk, table, older, store } = await twoSnapshots()
    await store.close()
    for (const damage of ['flip', 'remove'] as const) {
      const copy = disk.processCrash()
      if (damage === 'flip') copy.flipBits(older, 60, 1)
      else copy.remove(older)
      const opening = bareTable(copy, await openOn(copy), { key: 'string', value: 'string' })
      await expect(opening).rejects.toThrow(StoreFormatError)
      await expect(opening).rejects.toThrow(/changes are missing/)
    }
    // Nor when the log ends below the snapshot.
    const copy = disk.processCrash()
    copy.rename(older, `${table.log.directory}/${String(9).padStart(20, '0')}.table`)
    await expect(
      bareTable(copy, await openOn(copy), { key: 'string', value: 'string' }),
    ).rejects.toThrow(StoreFormatError)
  })

  it('does not open with other codecs than those of the snapshot', async () => {
    const { disk } = await twoSnapshots()
    const copy = disk.processCrash()
    await expect(
      bareTable(copy, await openOn(copy), { key: 'string', value: 'json' }),
    ).rejects.toThrow(TableCodecError)
  })

  it('goes on when a snapshot cannot be written, and says so', async () => {
    const disk = simDisk()
    const spec = { key: 'string', value: 'string', snapshotBytes: 1000 } as const
    const { table, messages } = await bareTable(disk, await openOn(disk), spec)
    let failed = 0
    disk.onOperation = ({ kind, path: at, number }) => {
      if (kind !== 'create' || !at.endsWith('.table.tmp') || failed++ > 0) return
      disk.failOperation(number + 1, { errno: 'EIO' })
    }
    for (let i = 0; i < 100; i++) await table.put(`${i % 10}`, 'x'.repeat(100))
    await table.snapshot()
    expect(failed).toBeGreaterThan(1)
    expect(messages()).toContain('a snapshot of a table could not be written')
    const names = disk.readDirectory(table.log.directory)
    expect(names.filter((name) => name.endsWith('.table.tmp'))).toEqual([])
    expect([table.size, table.log.startOffset]).toEqual([10, 100])
  })
})
