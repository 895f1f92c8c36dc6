/** Goal: topics, the directory and its small files stay consistent, whenever the power goes. */
import { describe, expect, it } from 'vitest'
import { ClosedError, StorageError, UnknownTopicError } from '../../src/base/errors.ts'
import { crashClasses } from '../../src/platform/sim-crash-class.ts'
import { SimCrash } from '../../src/platform/sim-failure.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import { expectDense, openOn, simDisk, valuesIn } from '../support/log-inspection.ts'
import { withTemporaryDirectory } from '../support/temporary-directory.ts'

function write(disk: SimFileSystem, path: string, text: string): void {
  const file = disk.open(path, 'open-or-create')
  file.truncate(0)
  file.write(Buffer.from(text), 0)
  file.close()
}

function readText(disk: SimFileSystem, path: string): string {
  const file = disk.open(path, 'read')
  const bytes = Buffer.alloc(file.size())
  file.read(bytes, 0)
  file.close()
  return bytes.toString()
}

describe('a data directory', () => {
  it('is refused to a second opener, with the pid of the first', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory)
      await expect(openStore(directory)).rejects.toMatchObject({
        code: 'ERR_STORE_LOCKED',
        holderPid: process.pid,
      })
      await store.close()
      await (await openStore(directory)).close()
    })
  })

  it('says so when it was closed properly, and only then', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    expect([store.wasClean, store.leaderEpoch]).toEqual([false, 0])
    await store.close()
    const second = await openOn(disk)
    expect([second.wasClean, second.leaderEpoch]).toEqual([true, 0])
    const third = await openOn(disk.processCrash())
    expect([third.wasClean, third.leaderEpoch]).toEqual([false, 1])
  })

  it('finishes the topics that are being made when it is closed', async () => {
    for (let turns = 0; turns < 12; turns++) {
      const disk = simDisk()
      Object.assign(disk, { syncsAtOnce: 4 })
      const store = await openOn(disk)
      const names = Array.from({ length: 20 }, (_, i) => `t-${i}`)
      const made = Promise.allSettled(names.map((name) => store.createTopic(name)))
      for (let turn = 0; turn < turns; turn++) await new Promise((run) => setImmediate(run))
      await store.close()
      const operations = disk.operationCount
      const outcomes = await made
      expect(disk.operationCount).toBe(operations)
      const again = await openOn(disk)
      expect(names.map((name) => again.topic(name) !== undefined)).toEqual(
        outcomes.map(({ status }) => status === 'fulfilled'),
      )
      await again.close()
    }
  })

  it('refuses calls after it was closed', async () => {
    const store = await openOn(simDisk())
    const log = await store.log('t')
    await store.close()
    await expect(store.log('t')).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    await expect(log.append('x')).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    expect(() => log.cursor()).toThrow('closed')
  })

  it.each([
    [{ level: 'none' }, 'level is "none"'],
    [{ nodeId: -1 }, 'nodeId is -1: expected an integer from 0 to 2147483647'],
    [{ checkpointIntervalMs: 0 }, 'checkpointIntervalMs is 0'],
    [
      { config: { 'segment.bytes': '12' } },
      'segment.bytes is "12": expected a whole number from 1024',
    ],
    [{ config: { 'segment.size': '12' } }, 'config is "segment.size"'],
    [{ colour: 'red' }, 'colour'],
  ])('refuses options %j', async (options, message) => {
    await expect(openOn(simDisk(), options as never)).rejects.toThrow(message)
  })

  it.each([
    ['version=0\nbroker.id=4\n', 4],
    ['# made by hand\nversion=1\ncluster.id=abc\nnode.id=7\n', 7],
  ])('takes over meta.properties %j', async (text, nodeId) => {
    const disk = simDisk()
    write(disk, '/data/meta.properties', text)
    const store = await openOn(disk)
    expect(store.nodeId).toBe(nodeId)
    const { clusterId } = store
    await store.close()
    expect((await openOn(disk)).clusterId).toBe(clusterId)
  })

  it.each(['%PDF-1.4 something else', 'version=1\nnode.id=3\n', 'version=2\n', '\0\0\0\0'])(
    'refuses meta.properties %j',
    async (text) => {
      const disk = simDisk()
      write(disk, '/data/meta.properties', text)
      await expect(openOn(disk)).rejects.toMatchObject({ code: 'ERR_STORE_FORMAT' })
    },
  )

  it('makes changes of one topic that are asked for together one after the other', async () => {
    const store = await openOn(simDisk())
    await store.createTopic('t')
    await Promise.all([store.addPartitions('t', 2), store.addPartitions('t', 3)])
    expect(store.topic('t')!.partitionCount).toBe(3)
    const ends = await Promise.allSettled([store.deleteTopic('t'), store.deleteTopic('t')])
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(ends[1]).toMatchObject({ reason: { code: 'ERR_TOPIC_UNKNOWN' } })
    await store.close()
  })

  // Found by the simulation: the directory that a growth had begun was adopted as a topic of that name.
  it('do not come back when they are deleted after a growth that failed half-way', async () => {
    let failures = 0
    for (let ahead = 1; ; ahead++) {
      const disk = simDisk()
      const store = await openOn(disk)
      await store.createTopic('t')
      let left = ahead
      disk.planFault = ({ path }) => {
        return /\/t-[12]/.test(path) && --left === 0 ? { errno: 'EIO' } : undefined
      }
      const isGrown = await store.addPartitions('t', 3).then(
        () => true,
        () => false,
      )
      if (isGrown) break
      failures++
      const isDeleted = await store.deleteTopic('t').then(
        () => true,
        () => false,
      )
      // What was deleted is removed by then, and remembered no more.
      for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve))
      const topics = [...(await openOn(disk.processCrash())).topics()]
      if (isDeleted) expect(topics).toEqual([])
    }
    expect(failures).toBeGreaterThan(5)
  })

  it('never gives out a producer id twice', async () => {
    let disk = simDisk()
    const seen = new Set<number>()
    for (let life = 0; life < 4; life++) {
      const store = await openOn(disk)
      for (let i = 0; i < 1100; i++) seen.add(await store.allocateProducerId())
      disk = life % 2 === 0 ? disk.crash() : disk.processCrash()
    }
    expect(seen.size).toBe(4400)
  })

  it('adopts what Kafka left, epochs included', async () => {
    const source = simDisk()
    const store = await openOn(source)
    await store.createTopic('orders', { partitions: 2 })
    await (await store.log('orders')).append(['a', 'b'])
    await store.close()
    // What Kafka would not have: our table. What it would: preallocated indexes of a killed broker.
    const disk = source.processCrash()
    disk.removeTree('/data/__stratalog-0')
    write(disk, '/data/recovery-point-offset-checkpoint', '0\n1\norders 0 2\n')
    disk.remove('/data/.kafka_cleanshutdown')
    disk.open('/data/orders-0/00000000000000000000.index', 'write').truncate(10_485_760)
    write(disk, '/data/orders-0/partition.metadata', 'version: 0\ntopic_id: S1Nnmx2jSUevHPuxtJ0KkQ')
    write(disk, '/data/orders-0/leader-epoch-checkpoint', '0\n1\n7 0\n')
    const adopted = await openOn(disk)
    expect(adopted.topic('orders')).toMatchObject({
      id: 'S1Nnmx2jSUevHPuxtJ0KkQ',
      partitionCount: 2,
    })
    const log = await adopted.log('orders')
    expect(valuesIn(log)).toEqual(['a', 'b'])
    await log.append('c')
    expect(log.leaderEpoch).toBeGreaterThan(7)
    expect(log.endOfEpoch(7)).toEqual({ epoch: 7, endOffset: 2 })
  })
})

describe('a topic name', () => {
  it('is refused when it is taken, malformed, or its partition does not exist', async () => {
    const store = await openOn(simDisk())
    await store.createTopic('t.x')
    const codes: Record<string, Promise<unknown>> = {
      ERR_TOPIC_EXISTS: store.createTopic('t.x'),
      ERR_TOPIC_INVALID: store.createTopic('t_x'),
      ERR_PARTITION_UNKNOWN: store.log('t.x', { partition: 1 }),
      ERR_TOPIC_UNKNOWN: store.deleteTopic('none'),
    }
    for (const [code, refused] of Object.entries(codes)) {
      await expect(refused).rejects.toMatchObject({ code })
    }
  })
})

describe('a topic', () => {
  it('that is made writes the checkpoints only where they still speak of another of its name', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    const log = await store.log('old')
    await log.append('a')
    await store.checkpoint()
    const path = '/data/recovery-point-offset-checkpoint'
    const before = readText(disk, path)
    expect(before).toContain('old 0 1')
    await log.append('not in any checkpoint')
    await store.createTopic('new')
    expect(readText(disk, path)).toBe(before)
    await store.deleteTopic('old')
    await store.createTopic('old')
    expect(readText(disk, path)).not.toContain('old')
  })

  it('has a new id and no records when it is created again', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    const first = await store.createTopic('t')
    await first.log(0).append(['a', 'b', 'c'])
    await store.deleteTopic('t')
    const second = await store.createTopic('t')
    expect(second.id).not.toBe(first.id)
    expect(second.log(0).endOffset).toBe(0)
    await store.close()
    expect(readText(disk, '/data/t-0/partition.metadata')).toBe(
      `version: 0\ntopic_id: ${second.id}`,
    )
    expect(disk.readDirectory('/data').filter((name) => name.endsWith('-delete'))).toEqual([])
  })

  it('cannot be opened through what was asked of the store before it was deleted', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    const before = await store.createTopic('t', { partitions: 2 })
    await before.log(0).append('a', { level: 'disk' })
    await store.deleteTopic('t')
    expect(() => before.log(1)).toThrow(UnknownTopicError)
    await store.createTopic('t', { partitions: 2 })
    // It would be a second log over the files of the new one.
    expect(() => before.log(1)).toThrow(UnknownTopicError)
    await store.topic('t')!.log(1).append('b', { level: 'disk' })
    expect(valuesIn(store.topic('t')!.log(1))).toEqual(['b'])
    await expect(before.log(0).append('c')).rejects.toThrow(ClosedError)
    await store.close()
  })

  it('keeps new records although an older topic of its name was trimmed further', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    const old = await store.log('t')
    for (let i = 0; i < 50; i++) await old.append('x'.repeat(100))
    old.trim(40)
    await store.deleteTopic('t')
    const log = await store.log('t')
    await log.append(['a', 'b'])
    const again = await (await openOn(disk.processCrash())).log('t')
    expect(valuesIn(again)).toEqual(['a', 'b'])
  })

  it('only grows when partitions are added at the same time', async () => {
    const store = await openOn(simDisk())
    const topic = await store.createTopic('t')
    const results = await Promise.allSettled([
      store.addPartitions('t', 7),
      store.addPartitions('t', 5),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(topic.partitionCount).toBe(7)
  })

  it('stays deleted when an earlier try was cut short, and its directories come back', async () => {
    const disk = simDisk()
    await (await openOn(disk)).createTopic('t')
    // The first try says that the topic is deleted, and no more.
    const first = disk.processCrash()
    const cut = await openOn(first)
    first.onOperation = ({ kind, path, number }) => {
      if (kind === 'flush' && path.includes('__stratalog-0')) first.stopAt(number + 1)
    }
    await expect(cut.deleteTopic('t')).rejects.toThrow()
    const second = first.processCrash()
    const store = await openOn(second)
    expect(store.topic('t')).toBeDefined()
    const states: SimFileSystem[] = []
    second.onOperation = ({ kind, path }) => {
      if (kind !== 'sync-directory' || path !== '/data' || second.stat('/data/t-0')) return
      states.push(second.crash({ class: 'data-not-names' }))
    }
    await store.deleteTopic('t')
    expect(states[0]?.stat('/data/t-0')).toBeDefined()
    expect((await openOn(states[0]!)).topic('t')).toBeUndefined()
  })

  describe('of whose deletion a rename failed', () => {
    async function halfDeleted(disk: SimFileSystem): Promise<Store> {
      const store = await openOn(disk)
      const topic = await store.createTopic('t', { partitions: 3 })
      for (const partition of [0, 1, 2]) await topic.log(partition).append('old')
      disk.planFault = ({ kind, path }) => {
        return kind === 'rename' && path.endsWith('/t-1') ? { errno: 'EIO' } : undefined
      }
      await store.deleteTopic('t')
      disk.planFault = undefined
      // The others are on their way.
      expect(disk.readDirectory('/data').filter((name) => /^t-.$/.test(name))).toEqual(['t-1'])
      return store
    }

    const valuesOf = async (store: Store): Promise<string[]> => {
      const { partitionCount } = store.topic('t')!
      const logs = Array.from({ length: partitionCount }, (_, i) =>
        store.log('t', { partition: i }),
      )
      return (await Promise.all(logs)).flatMap((log) => valuesIn(log))
    }

    it('has no records when it is created again', async () => {
      const disk = simDisk()
      const store = await halfDeleted(disk)
      const topic = await store.createTopic('t', { partitions: 3 })
      await topic.log(1).append('new')
      expect(await valuesOf(store)).toEqual(['new'])
      for (const crashClass of crashClasses) {
        for (let seed = 0; seed < 5; seed++) {
          const again = await openOn(disk.crash({ class: crashClass, seed }))
          expect(await valuesOf(again)).toEqual(['new'])
        }
      }
    })

    it('leaves nothing behind over a restart', async () => {
      const disk = simDisk()
      await (await halfDeleted(disk)).close()
      await (await openOn(disk)).close()
      expect(disk.readDirectory('/data').filter((name) => name.startsWith('t-'))).toEqual([])
    })

    it('has none when it is created smaller, and grown', async () => {
      const disk = simDisk()
      const store = await halfDeleted(disk)
      await store.createTopic('t', { partitions: 1 })
      await store.addPartitions('t', 3)
      expect(await valuesOf(store)).toEqual([])
      await store.close()
      expect(await valuesOf(await openOn(disk))).toEqual([])
    })

    it('has none when it is grown after a restart, in which the deletion ended', async () => {
      const disk = simDisk()
      const store = await halfDeleted(disk)
      await (await store.createTopic('t')).log(0).append('new')
      await store.close()
      const second = await openOn(disk)
      expect(await valuesOf(second)).toEqual(['new'])
      await second.close()
      const third = await openOn(disk)
      await third.addPartitions('t', 3)
      expect(await valuesOf(third)).toEqual(['new'])
    })

    it('keeps its own records when one of its ids cannot be read', async () => {
      const disk = simDisk()
      const store = await halfDeleted(disk)
      await (await store.createTopic('t')).log(0).append('new')
      await store.close()
      write(disk, '/data/t-0/partition.metadata', '')
      expect(await valuesOf(await openOn(disk))).toEqual(['new'])
    })

    it('has none at any moment of its creation', async () => {
      for (let after = 1; ; after++) {
        const disk = simDisk()
        const store = await halfDeleted(disk)
        disk.stopAt(disk.operationCount + after)
        const isMade = await store.createTopic('t', { partitions: 3 }).then(
          () => true,
          () => false,
        )
        if (isMade && !disk.hasStopped) break
        for (const crashClass of crashClasses) {
          const again = await openOn(disk.crash({ class: crashClass }))
          if (again.topic('t') !== undefined) expect(await valuesOf(again)).toEqual([])
        }
      }
    })
  })

  it('is not there after its creation failed for space, at whatever operation', async () => {
    let failures = 0
    for (let at = 1, isReached = true; isReached; at++) {
      const disk = simDisk()
      const store = await openOn(disk)
      const failing = disk.operationCount + at
      disk.failOperation(failing, { errno: 'ENOSPC' })
      const error = await store
        .createTopic('t', { partitions: 3 })
        .catch((reason: unknown) => reason)
      isReached = disk.operationCount >= failing
      if (!(error instanceof StorageError)) continue
      failures++
      expect(store.topic('t')).toBeUndefined()
      await store.createTopic('t', { partitions: 2 })
      await store.close()
      expect((await openOn(disk)).topic('t')?.partitionCount).toBe(2)
    }
    expect(failures).toBeGreaterThan(10)
  })

  const works: Record<string, (store: Store) => Promise<unknown>> = {
    'creating it': (store) => store.createTopic('new', { partitions: 2 }),
    'deleting it': (store) => store.deleteTopic('old'),
    'growing it': (store) => store.addPartitions('old', 3),
    'creating it again': async (store) => {
      await store.deleteTopic('old')
      await store.createTopic('old')
    },
  }
  it.each(Object.keys(works))(
    'is whole or absent after a crash at any operation of %s',
    async (name) => {
      const work = works[name] as (store: Store) => Promise<unknown>
      const prepare = async (): Promise<[SimFileSystem, Store]> => {
        const disk = simDisk(3)
        const store = await openOn(disk)
        await (await store.log('old')).append(['kept', 'too'])
        return [disk, store]
      }
      const [whole, wholeStore] = await prepare()
      const before = whole.operationCount
      await work(wholeStore)
      const count = whole.operationCount - before
      for (let stop = 1; stop <= count; stop++) {
        const [disk, store] = await prepare()
        disk.stopAt(before + stop)
        await work(store).catch((error: unknown) => {
          if (!String(error).includes('stopped')) throw error
        })
        for (const crashClass of crashClasses) {
          const again = await openOn(disk.crash({ class: crashClass }))
          for (const topic of again.topics()) {
            for (let i = 0; i < topic.partitionCount; i++) expectDense(topic.log(i))
          }
          const old = again.topic('old')
          if (old !== undefined && name !== 'creating it again') {
            expect(valuesIn(old.log(0))).toEqual(['kept', 'too'])
          }
          if (again.topic('new') !== undefined) expect(again.topic('new')?.partitionCount).toBe(2)
          if (old === undefined) await again.createTopic('old')
          await again.close()
        }
      }
      expect(SimCrash).toBeDefined()
    },
  )
})
