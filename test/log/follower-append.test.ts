/**
 * Goal: a log that follows another is, byte for byte, a prefix of it once they have talked, whatever
 * crashed and whoever led in between. Method: batches broken one thing at a time; and random
 * histories of two stores on two simulated disks, with the follower's part played as in KIP-101.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FencedEpochError } from '../../src/base/errors.ts'
import type { Log } from '../../src/log/log.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { assignOffset, sealBatch } from '../../src/record/batch-view.ts'
import type { Store } from '../../src/store/store.ts'
import { verifyStore } from '../../src/store/verify-store.ts'
import {
  clientBatch,
  dataPath,
  expectDense,
  expectIndexesEqualScan,
  openOn,
  simDisk,
  valuesIn,
} from '../support/log-inspection.ts'

async function replicated(disk: SimFileSystem = simDisk(), config: Record<string, string> = {}) {
  const store = await openOn(disk)
  if (store.topic('t') === undefined) await store.createTopic('t', { replicated: true, config })
  return { disk, store, log: await store.log('t') }
}

/** A batch as a leader of `epoch` wrote it at `offset`. */
function led(offset: number, epoch: number, values: readonly string[], options = {}): Buffer {
  const batch = clientBatch(values, options)
  assignOffset(batch, 0, offset as never, epoch)
  return batch
}

/** Every byte of the log from its start on. */
function bytesOf(log: Log): Buffer {
  const parts: Buffer[] = []
  for (let from: number = log.startOffset; ; ) {
    const range = log.readRaw({ from })
    if (range === undefined) return Buffer.concat(parts)
    parts.push(range.bytes)
    from = range.nextOffset
  }
}

describe('a follower', () => {
  it('stores batches byte for byte, and knows their epochs', async () => {
    const { disk, store, log } = await replicated()
    const run = Buffer.concat([led(0, 3, ['a', 'b']), led(2, 3, ['c']), led(3, 57, ['d'])])
    const given = Buffer.from(run)
    expect(await log.appendAt(0, 57, given)).toEqual({ offset: 0, lastOffset: 3, level: 'disk' })
    expect(given.equals(run)).toBe(true)
    expect(bytesOf(log).equals(run)).toBe(true)
    expect([log.epochOf(2), log.epochOf(3), log.leaderEpoch]).toEqual([3, 57, 57])
    expect(log.endOfEpoch(3)).toEqual({ epoch: 3, endOffset: 3 })
    expect(log.endOfEpoch(20)).toEqual({ epoch: 3, endOffset: 3 })
    expect(log.endOfEpoch(57)).toEqual({ epoch: 57, endOffset: 4 })
    expectIndexesEqualScan(log)
    await store.close()
    const report = await verifyStore(dataPath, { fileSystem: disk })
    expect(report.findings).toEqual([])
    expect(bytesOf((await replicated(disk)).log).equals(run)).toBe(true)
  })

  it.each(['journal', 'segment'])(
    'loses nothing acknowledged of an epoch far above its store (%s)',
    async (way) => {
      const disk = simDisk()
      const store = await openOn(disk, way === 'journal' ? {} : { journalBytes: 0 })
      await store.createTopic('t', { replicated: true })
      const log = await store.log('t')
      for (let i = 0; i < 40; i++) await log.appendAt(i, 50 + i, led(i, 50 + i, [`v${i}`]))
      const bytes = bytesOf(log)
      const again = await replicated(disk.crash({ class: 'nothing-unsynced' }))
      expect(bytesOf(again.log).equals(bytes)).toBe(true)
      expect([again.log.epochOf(0), again.log.epochOf(39)]).toEqual([50, 89])
      expect(again.log.endOfEpoch(60)).toEqual({ epoch: 60, endOffset: 11 })
    },
  )

  it('finds its epochs in the batches when their file is gone or garbage', async () => {
    for (const damage of ['gone', 'garbage']) {
      const { disk, log } = await replicated()
      await log.appendAt(0, 57, Buffer.concat([led(0, 5, ['a']), led(1, 57, ['b'])]))
      const next = disk.processCrash()
      const path = `${dataPath}/t-0/leader-epoch-checkpoint`
      next.remove(path)
      if (damage === 'garbage') next.open(path, 'create').write(Buffer.from('x'), 0)
      const again = await replicated(next)
      expect(valuesIn(again.log)).toEqual([])
      again.log.setCommitted(2)
      expect(valuesIn(again.log)).toEqual(['a', 'b'])
      expect([again.log.epochOf(0), again.log.epochOf(1)]).toEqual([5, 57])
    }
  })

  it('takes all batches of a call or none', async () => {
    const { log } = await replicated()
    await log.appendAt(0, 2, led(0, 2, ['a']))
    const good = led(1, 2, ['b'])
    const flipped = led(2, 2, ['c'])
    flipped[65] = (flipped[65] as number) ^ 1
    const legacy = Buffer.from(led(2, 2, ['c']))
    legacy[16] = 1
    const codec = led(2, 2, ['c'])
    codec[22] = 5
    sealBatch(codec, 0)
    const bad: [string, Buffer, string][] = [
      ['a checksum', flipped, 'ERR_BATCH_CORRUPT'],
      ['a hole before it', led(3, 2, ['c']), 'ERR_BATCH_INVALID'],
      ['an offset below', led(1, 2, ['c']), 'ERR_BATCH_INVALID'],
      ['an epoch above the leader', led(2, 3, ['c']), 'ERR_BATCH_INVALID'],
      ['an epoch below the one before', led(2, 1, ['c']), 'ERR_BATCH_INVALID'],
      ['no epoch', led(2, -1, ['c']), 'ERR_BATCH_INVALID'],
      ['an old format', legacy, 'ERR_BATCH_MAGIC'],
      ['a codec that does not exist', codec, 'ERR_CODEC_UNSUPPORTED'],
      ['its end missing', led(2, 2, ['c']).subarray(0, -1), 'ERR_BATCH_CORRUPT'],
      ['its header missing', led(2, 2, ['c']).subarray(0, 11), 'ERR_BATCH_CORRUPT'],
    ]
    for (const [what, batch, code] of bad) {
      const append = log.appendAt(1, 2, Buffer.concat([good, batch]))
      const found = await append.then(
        () => what,
        (error) => error,
      )
      expect(found, what).toMatchObject({ code })
    }
    await expect(log.appendAt(1, 2, Buffer.alloc(0))).rejects.toThrow('no batch')
    await expect(log.appendAt(1, 2, 'bytes' as never)).rejects.toMatchObject({
      code: 'ERR_OPTION_INVALID',
    })
    const large = led(1, 2, ['x'.repeat(1100)])
    await expect(log.appendAt(1, 2, large)).rejects.toMatchObject({ limit: 'segment' })
    expect(log.endOffset).toBe(1)
    expect((await log.appendAt(1, 2, good)).offset).toBe(1)
  })

  it('refuses another place than its end, and a leader that is over', async () => {
    const { log } = await replicated()
    await log.appendAt(0, 4, led(0, 4, ['a']))
    await expect(log.appendAt(2, 4, led(2, 4, ['b']))).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      expected: 2,
      found: 1,
    })
    const late = log.appendAt(1, 3, led(1, 3, ['b']))
    await expect(late).rejects.toThrow(FencedEpochError)
    await expect(late).rejects.toMatchObject({ code: 'ERR_EPOCH_FENCED', epoch: 3, latestEpoch: 4 })
    expect(() => log.beginEpoch(3)).toThrow(FencedEpochError)
    expect(log.endOffset).toBe(1)
  })

  it('may skip offsets where a log was compacted', async () => {
    const { log } = await replicated(simDisk(), { 'cleanup.policy': 'compact' })
    await log.appendAt(5, 1, Buffer.concat([led(5, 1, ['a']), led(9, 1, ['b'])]))
    expect(log.endOffset).toBe(10)
    await expect(log.appendAt(9, 1, led(9, 1, ['c']))).rejects.toMatchObject({ found: 10 })
  })

  it('keeps nothing of a run that could not be written', async () => {
    const { disk, log } = await replicated()
    await log.appendAt(0, 2, led(0, 2, ['a']))
    const run = Buffer.concat([led(1, 2, ['b']), led(2, 2, ['c'])])
    disk.failOperation(disk.operationCount + 1, { errno: 'ENOSPC', writtenBytes: 90 })
    await expect(log.appendAt(1, 2, run)).rejects.toMatchObject({ errno: 'ENOSPC' })
    expect([log.endOffset, bytesOf(log).length]).toEqual([1, led(0, 2, ['a']).length])
    // The epoch's file comes first, and may fail as well.
    const next = led(1, 3, ['d'])
    disk.failOperation(disk.operationCount + 1, { errno: 'ENOSPC' })
    await expect(log.appendAt(1, 3, next)).rejects.toMatchObject({ errno: 'ENOSPC' })
    expect([log.endOffset, log.leaderEpoch]).toEqual([1, 2])
    disk.failOperation(disk.operationCount + 1, { errno: 'ENOSPC' })
    expect(() => log.beginEpoch(3)).toThrow('ENOSPC')
    expect(log.leaderEpoch).toBe(2)
    await log.appendAt(1, 2, run)
    expect(log.endOffset).toBe(3)
  })

  it('takes control batches, and knows producers as the leader does', async () => {
    const { disk, log } = await replicated()
    const producer = { producerId: 7, producerEpoch: 0, baseSequence: 20 }
    const marker = led(1, 1, ['end'])
    marker[22] = 0x20
    sealBatch(marker, 0)
    const batch = led(0, 1, ['a'], { producer })
    await log.appendAt(0, 1, Buffer.concat([batch, marker]))
    log.beginEpoch(2)
    const again = (on: Log, sequence: number) =>
      on.append('a', { producer: { id: 7, epoch: 0, sequence } })
    expect(await again(log, 20)).toMatchObject({ offset: 0, isDuplicate: true })
    await expect(again(log, 22)).rejects.toMatchObject({ code: 'ERR_SEQUENCE_OUT_OF_ORDER' })
    const { log: restarted } = await replicated(disk.crash({ class: 'nothing-unsynced' }))
    expect(await again(restarted, 20)).toMatchObject({ offset: 0, isDuplicate: true })
    expect(await again(restarted, 21)).toMatchObject({ offset: 2, isDuplicate: false })
    restarted.setCommitted(3)
    expect(valuesIn(restarted)).toEqual(['a', 'a'])
  })
})

describe('leader epochs of a replicated log', () => {
  it('are stamped from where they begin, durably, and asked for by their end', async () => {
    const { disk, log } = await replicated()
    await log.append('a')
    log.beginEpoch(7)
    log.beginEpoch(7)
    expect(log.endOfEpoch(0)).toEqual({ epoch: 0, endOffset: 1 })
    await log.append('b')
    log.beginEpoch(9)
    await log.append('c')
    expect([0, 1, 2].map((offset) => log.epochOf(offset))).toEqual([0, 7, 9])
    expect(log.endOfEpoch(8)).toEqual({ epoch: 7, endOffset: 2 })
    const again = await replicated(disk.crash({ class: 'nothing-unsynced' }))
    expect([0, 1, 2].map((offset) => again.log.epochOf(offset))).toEqual([0, 7, 9])
    expect(again.log.leaderEpoch).toBe(9)
    expect(again.log.endOfEpoch(10)).toEqual({ epoch: -1, endOffset: -1 })
  })

  it('cut what another leader says is of none', async () => {
    const { log } = await replicated()
    const batches = [1, 1, 3, 3, 5].map((epoch, i) => led(i, epoch, [`${i}`]))
    await log.appendAt(0, 5, Buffer.concat(batches))
    log.truncate(9, 5)
    log.truncate(9, 6)
    expect(log.endOffset).toBe(5)
    log.truncate(9, 4)
    expect(log.endOffset).toBe(4)
    log.truncate(3, 3)
    expect(log.endOffset).toBe(3)
    log.truncate(3, 2)
    expect([log.endOffset, log.leaderEpoch]).toEqual([2, 1])
    expect(() => log.truncate(1, -1)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION_INVALID' }),
    )
    expect(() => log.truncate(undefined as never)).toThrow('to is undefined')
  })

  it('end without a record when the log follows again', async () => {
    const { log } = await replicated()
    await log.appendAt(0, 4, led(0, 4, ['a']))
    log.beginEpoch(7)
    await expect(log.appendAt(1, 8, led(1, 6, ['b']))).rejects.toThrow('expected 7 to 8')
    log.truncate(1)
    await log.appendAt(1, 8, led(1, 6, ['b']))
    expect(log.endOfEpoch(7)).toEqual({ epoch: -1, endOffset: -1 })
  })

  it('are not taken from logs that stratalog alone writes', async () => {
    const store = await openOn(simDisk())
    const log = await store.log('plain')
    const option = { code: 'ERR_OPTION_INVALID', option: 'replicated' }
    await expect(log.appendAt(0, 0, led(0, 0, ['a']))).rejects.toMatchObject(option)
    expect(() => log.beginEpoch(1)).toThrow(expect.objectContaining(option))
    expect(() => log.setCommitted(0)).toThrow(expect.objectContaining(option))
    await expect(store.createTopic('x', { replicated: 1 as never })).rejects.toMatchObject(option)
  })
})

type Node = { disk: SimFileSystem; store: Store; log: Log }

/** Two copies; the first leads. */
class Pair {
  leader!: Node
  follower!: Node
  epoch = 0
  sequence = 0

  static async start(seed: number): Promise<Pair> {
    const pair = new Pair()
    pair.leader = await replicated(simDisk(seed))
    pair.follower = await replicated(simDisk(seed + 1))
    pair.lead()
    return pair
  }

  lead(): void {
    this.epoch += 3
    this.leader.log.beginEpoch(this.epoch)
  }

  /** The follower finds where its log and the leader's part, and cuts its own there. */
  reconcile(): void {
    const { log } = this.follower
    for (;;) {
      const latest = log.epochOf(log.endOffset - 1)
      if (latest < 0) {
        log.truncate(log.startOffset)
        return
      }
      const { epoch, endOffset } = this.leader.log.endOfEpoch(latest)
      expect(epoch).toBeLessThanOrEqual(latest)
      log.truncate(Math.max(endOffset, 0), Math.max(epoch, 0))
      if (epoch === latest) return
    }
  }

  /** Copies one range. @returns whether there was one. */
  async copy(maxBytes: number, level: 'os' | 'disk'): Promise<boolean> {
    const { log } = this.follower
    const range = this.leader.log.readRaw({ from: log.endOffset, maxBytes })
    if (range === undefined) return false
    await log.appendAt(range.baseOffset, this.epoch, range.bytes, { level })
    return true
  }
}

async function crashed({ disk }: Node, isKill: boolean): Promise<Node> {
  return replicated(isKill ? disk.processCrash() : disk.crash())
}

async function play(pair: Pair, [what, size]: readonly [number, number]): Promise<void> {
  const { leader, follower } = pair
  const level = size % 3 === 0 ? 'disk' : 'os'
  const values = Array.from({ length: 1 + (size % 4) }, (_, i) => `${pair.epoch}.${size}.${i}`)
  switch (what) {
    case 0:
    case 1:
      await leader.log.append(values, { level })
      return
    case 2: {
      const producer = { id: 1, epoch: 0, sequence: pair.sequence }
      pair.sequence += values.length
      // A leader that lost what the producer knows of says so: it begins anew as another one would.
      const append = leader.log.append(values, { level, producer })
      await append.catch((error) => expect(error.code).toBe('ERR_SEQUENCE_OUT_OF_ORDER'))
      return
    }
    case 3:
    case 4:
    case 5:
      await pair.copy(1 + size * 20, level)
      return
    case 6:
      pair.follower = await crashed(follower, size % 2 === 0)
      pair.reconcile()
      return
    case 7:
      pair.leader = await crashed(leader, size % 2 === 0)
      pair.lead()
      pair.reconcile()
      return
    case 8:
      pair.leader = follower
      pair.follower = leader
      pair.lead()
      pair.reconcile()
      return
    case 9:
      leader.log.setCommitted(Math.min(follower.log.endOffset, leader.log.endOffset))
      follower.log.setCommitted(Math.min(leader.log.highWatermark, follower.log.endOffset))
      return
    case 10:
      await (size % 2 === 0 ? leader : follower).store.checkpoint()
      return
    default:
      ;(size % 2 === 0 ? leader : follower).log.roll()
  }
}

it('ends byte for byte as its leader, over crashes of both and changes of who leads', async () => {
  const step = fc.tuple(fc.nat({ max: 11 }), fc.nat({ max: 60 }))
  const history = fc.record({
    seed: fc.nat(),
    steps: fc.array(step, { minLength: 20, maxLength: 60 }),
  })
  let records = 0
  await fc.assert(
    fc.asyncProperty(history, async ({ seed, steps }) => {
      const pair = await Pair.start(seed)
      for (const one of steps) {
        await play(pair, one)
        // At every time what both have is the same.
        const [leader, follower] = [bytesOf(pair.leader.log), bytesOf(pair.follower.log)]
        expect(leader.subarray(0, follower.length).equals(follower)).toBe(true)
      }
      while (await pair.copy(400, 'os'));
      const { leader, follower } = pair
      expect(bytesOf(follower.log).equals(bytesOf(leader.log))).toBe(true)
      for (let epoch = 0; epoch <= pair.epoch; epoch++) {
        const known = follower.log.endOfEpoch(epoch)
        if (known.epoch >= 0) expect(known).toEqual(leader.log.endOfEpoch(epoch))
      }
      for (const { log } of [leader, follower]) {
        log.setCommitted(log.endOffset)
        expectDense(log)
        expectIndexesEqualScan(log)
      }
      records += follower.log.endOffset
      for (const { disk, store } of [leader, follower]) {
        await store.close()
        const { findings } = await verifyStore(dataPath, { fileSystem: disk })
        expect(findings).toEqual([])
      }
    }),
    { numRuns: 100 },
  )
  expect(records).toBeGreaterThan(500)
})
