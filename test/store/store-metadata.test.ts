/** Goal: what the store remembers outlives snapshots of its own table, and versions of this library. */
import { expect, it } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { StoreFormatError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logger.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { SpareSpace } from '../../src/store/spare-space.ts'
import { StoreMetadata } from '../../src/store/store-metadata.ts'
import type { TableEnvironment } from '../../src/table/table-settings.ts'
import { dataPath, openOn, simDisk } from '../support/log-inspection.ts'
import { snapshotsOf } from '../support/table-harness.ts'

async function environment(disk: SimFileSystem): Promise<TableEnvironment> {
  return {
    log: await (await openOn(disk, { config: {} })).log('t'),
    fileSystem: disk,
    clock: systemClock,
    logger: silentLogger,
    random: () => 0.5,
    level: () => 'disk',
  }
}

function openMetadata(env: TableEnvironment): Promise<StoreMetadata> {
  return StoreMetadata.open(env, new SpareSpace(env.fileSystem, dataPath, silentLogger))
}

it('keeps entries and ids through snapshots', async () => {
  const disk = simDisk()
  const env = await environment(disk)
  const metadata = await openMetadata(env)
  const config = { filler: 'x'.repeat(200_000) }
  for (let i = 0; i < 100; i++) {
    const name = `t${i % 5}`
    await metadata.putTopic(name, { id: `${i}`, partitions: i + 1, config })
    if (i % 7 === 0) await metadata.deleteTopic(name, `${i}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(await metadata.nextProducerId()).toBe(0)
  await metadata.close()
  expect(snapshotsOf(disk, env)).toHaveLength(1)
  expect(env.log.startOffset).toBeGreaterThan(0)
  const again = await openMetadata(await environment(disk.crash({ class: 'nothing-unsynced' })))
  const topics = Object.fromEntries([...again.topics()].map(([name, { id }]) => [name, id]))
  expect(topics).toEqual({ t0: '95', t1: '96', t2: '97', t4: '99' })
  expect([again.isDeleted('98'), again.isDeletedName('t3'), again.deletedIds().length]).toEqual([
    true,
    true,
    15,
  ])
  expect(await again.nextProducerId()).toBe(1000)
})

it('reads the records of earlier versions', async () => {
  const env = await environment(simDisk())
  const entry = { id: 'A', partitions: 2, config: { 'segment.bytes': '1024' } }
  await env.log.append({ key: 'topic:orders', value: JSON.stringify(entry) })
  await env.log.append({ key: 'topic:gone', value: JSON.stringify(entry) })
  await env.log.append({ key: 'deleted:B', value: '{"deleted":"gone"}' })
  await env.log.append({ key: 'topic:gone', value: null })
  await env.log.append({ key: 'leader-epoch', value: '{"value":7}' })
  const metadata = await openMetadata(env)
  expect([...metadata.topics()]).toEqual([['orders', entry]])
  expect([metadata.leaderEpoch, metadata.deletedIds()]).toEqual([7, ['B']])
})

it('does not open with an entry that is not JSON', async () => {
  const env = await environment(simDisk())
  await env.log.append({ key: 'topic:a', value: 'oops' })
  await expect(openMetadata(env)).rejects.toThrow(StoreFormatError)
})
