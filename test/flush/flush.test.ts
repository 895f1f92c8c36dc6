/** Goal: checkpoints, epochs and snapshots are Kafka's, and a flush is due when it should be. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { formatCheckpoint, parseCheckpoint } from '../../src/flush/checkpoint-file.ts'
import { isFlushDue, journalSizesFor, neverFlush, SyncPace } from '../../src/flush/flush-policy.ts'
import { readOffsets, writeOffsets } from '../../src/flush/offset-checkpoint.ts'
import { LeaderEpochs, leaderEpochFileName } from '../../src/log/leader-epochs.ts'
import { decodeSnapshot, encodeSnapshot } from '../../src/log/producer-snapshot.ts'
import { simDisk } from '../support/log-inspection.ts'

const golden = JSON.parse(
  readFileSync(new URL('../fixtures/golden/small-files.json', import.meta.url), 'utf8'),
) as { name: string; hex: string }[]

function goldenBytes(name: string): Buffer {
  return Buffer.from(golden.find((vector) => vector.name === name)?.hex ?? '', 'hex')
}

function put(disk: ReturnType<typeof simDisk>, name: string, bytes: Buffer): void {
  const file = disk.open(`/data/${name}`, 'open-or-create')
  file.truncate(0)
  file.write(bytes, 0)
  file.close()
}

function get(disk: ReturnType<typeof simDisk>, name: string): string {
  const file = disk.open(`/data/${name}`, 'read')
  const bytes = Buffer.alloc(file.size())
  file.read(bytes, 0)
  return bytes.toString('hex')
}

describe('checkpoint files', () => {
  it('are read and written as Kafka does', () => {
    const disk = simDisk()
    put(disk, 'points', goldenBytes('offset_checkpoint'))
    const offsets = readOffsets(disk, '/data', 'points')
    expect([...offsets]).toEqual([
      ['orders-0', 1042],
      ['orders-1', 977],
    ])
    writeOffsets(disk, '/data', 'again', offsets)
    expect(get(disk, 'again')).toBe(goldenBytes('offset_checkpoint').toString('hex'))
    writeOffsets(disk, '/data', 'empty', new Map())
    expect(get(disk, 'empty')).toBe(goldenBytes('offset_checkpoint_empty').toString('hex'))
    expect(disk.crash({ class: 'nothing-unsynced' }).stat('/data/again')).toBeDefined()
  })

  it.each(['1\n0\n', '0\n2\na 0 1\n', '0\n1\na 0\n', '0\nx\n', 'garbage', '0\n-1\n'])(
    'refuse %j',
    (text) => {
      expect(() => parseCheckpoint(text, 'file', 3)).toThrow('file: ')
    },
  )

  it.each(['', '0', '0\n', '0\n0\n'])('take %j for no entries', (text) => {
    expect(parseCheckpoint(text, 'file', 3)).toEqual([])
  })

  it('come back as they were written', () => {
    expect(parseCheckpoint(formatCheckpoint([['a', 1, 2]]), 'file', 3)).toEqual([['a', '1', '2']])
  })
})

describe('leader epochs', () => {
  const epochsOf = (...entries: [number, number][]) => {
    const epochs = new LeaderEpochs({ fileSystem: simDisk(), directory: '/data' })
    for (const [epoch, start] of entries) epochs.note(epoch, start as never)
    return epochs
  }
  const pairs = (epochs: LeaderEpochs) =>
    epochs.entries.map(({ epoch, startOffset }) => [epoch, startOffset])

  it('are stored as Kafka does', () => {
    const disk = simDisk()
    const epochs = new LeaderEpochs({ fileSystem: disk, directory: '/data' })
    epochs.assign(0, 0 as never)
    epochs.assign(3, 5127 as never)
    expect(get(disk, leaderEpochFileName)).toBe(
      goldenBytes('leader_epoch_checkpoint').toString('hex'),
    )
    const read = new LeaderEpochs({ fileSystem: disk, directory: '/data' })
    read.load()
    expect(pairs(read)).toEqual([
      [0, 0],
      [3, 5127],
    ])
  })

  it('keep order when assigned, and when cut from either end', () => {
    const epochs = epochsOf([1, 0], [3, 10], [5, 20])
    expect(epochs.note(5, 25 as never)).toBe(false)
    epochs.note(4, 15 as never)
    expect(pairs(epochs)).toEqual([
      [1, 0],
      [3, 10],
      [4, 15],
    ])
    epochs.cutStart(12 as never)
    expect(pairs(epochs)).toEqual([
      [3, 12],
      [4, 15],
    ])
    epochs.cutEnd(15 as never)
    expect(pairs(epochs)).toEqual([[3, 12]])
  })

  it('say where an epoch ended', () => {
    const epochs = epochsOf([2, 5], [4, 10], [7, 20])
    const ends = [-1, 0, 2, 3, 4, 5, 7, 8].map((epoch) => {
      const end = epochs.endOf(epoch, 30 as never)
      return [end.epoch, end.endOffset]
    })
    expect(ends).toEqual([
      [-1, -1],
      [0, 5],
      [2, 10],
      [2, 10],
      [4, 20],
      [4, 20],
      [7, 30],
      [-1, -1],
    ])
    expect([0, 5, 9, 10, 25].map((offset) => epochs.epochOf(offset))).toEqual([-1, 2, 2, 4, 7])
  })
})

describe('producer snapshots', () => {
  it('are the bytes Kafka writes', () => {
    expect(encodeSnapshot([]).equals(goldenBytes('producer_snapshot_empty'))).toBe(true)
    const two = decodeSnapshot(goldenBytes('producer_snapshot_two'))
    expect(two).toMatchObject([
      { producerId: 1, epoch: 2, coordinatorEpoch: 3, transactionFirstOffset: 100 },
      { producerId: 11, epoch: 12, batches: [], lastTimestamp: 123456, coordinatorEpoch: 13 },
    ])
    expect(encodeSnapshot(two ?? []).equals(goldenBytes('producer_snapshot_two'))).toBe(true)
  })

  it('are refused whichever bit is wrong, and at every other length', () => {
    const whole = goldenBytes('producer_snapshot_two')
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const damaged = Buffer.from(whole)
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(decodeSnapshot(damaged)).toBeUndefined()
    }
    for (let length = 0; length < whole.length; length++) {
      expect(decodeSnapshot(whole.subarray(0, length))).toBeUndefined()
    }
  })
})

describe('flush policy', () => {
  it('is due by count or age, and never without data', () => {
    const policy = { maxUnflushedRecords: 10, maxUnflushedMs: 100 }
    expect(isFlushDue(policy, 9, 99)).toBe(false)
    expect(isFlushDue(policy, 10, 0)).toBe(true)
    expect(isFlushDue(policy, 1, 100)).toBe(true)
    expect(isFlushDue(policy, 0, 1e9)).toBe(false)
    expect(isFlushDue(neverFlush, 1e9, 1e9)).toBe(false)
  })
})

describe('the size of the journal', () => {
  const mebibyte = 1024 * 1024
  it.each([
    [0, [32]],
    [1024, [32]],
    [2048, [64, 32]],
    [4096, [128, 32]],
    [100_000, [128, 32]],
  ])('of a store with %d logs is %j MiB', (logs, sizes) => {
    expect(journalSizesFor(logs)).toEqual(sizes.map((size) => size * mebibyte))
  })
})

describe('where a sync runs', () => {
  function afterSyncs(...elapsedMs: readonly number[]): boolean {
    const pace = new SyncPace()
    for (const ms of elapsedMs) pace.took(ms)
    return pace.isFast
  }
  const fast = Array<number>(100).fill(0.1)

  it('is the pool until the device has shown that it is fast', () => {
    expect(afterSyncs()).toBe(false)
    expect(afterSyncs(0.1)).toBe(true)
    expect(afterSyncs(...fast)).toBe(true)
    expect(afterSyncs(4, 0.1, 0.1, 0.1)).toBe(false)
  })

  it('is the pool after a slow answer, however slow, and the calling thread a few later', () => {
    for (const slow of [4, 10_000]) {
      expect(afterSyncs(...fast, slow)).toBe(false)
      expect(afterSyncs(...fast, slow, ...fast.slice(0, 20))).toBe(true)
    }
  })

  it('is the pool for a device that is slow all the time', () => {
    expect(afterSyncs(...Array<number>(1000).fill(0.3))).toBe(false)
  })
})
