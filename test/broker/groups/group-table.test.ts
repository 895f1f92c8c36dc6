// Covers src/broker/groups/group-table.ts, and commits through a broker over crashes.
// Goal: committed offsets never go back below what was acknowledged, whatever the disk does.
// Method: a store on the simulated disk; every class of crash, at random moments, from a seed that
// is in the test's name.
import { describe, expect, it } from 'vitest'
import { InvalidTopicError, StoreFormatError, TableCodecError } from '../../../src/base/errors.ts'
import { offsetCommitApi } from '../../../src/broker/api/offset-commit.ts'
import { offsetFetchApi } from '../../../src/broker/api/offset-fetch.ts'
import { openGroupTable } from '../../../src/broker/groups/group-table.ts'
import { crashClasses } from '../../../src/platform/sim-crash-class.ts'
import { SimRandom } from '../../../src/platform/sim-random.ts'
import { groupsTopic } from '../../../src/store/store-layout.ts'
import { BrokerHarness } from '../../support/broker-harness.ts'
import { openOn, simDisk } from '../../support/log-inspection.ts'

type Value = { readonly n: number }

const level = { level: 'disk' } as const

describe('the table of groups', () => {
  const contents = async (disk = simDisk()) => {
    const store = await openOn(disk)
    const table = await openGroupTable<Value>(store)
    const entries = Object.fromEntries(table.range({ prefix: '' }))
    await store.close()
    return entries
  }

  it('makes its topic with the first change, and gives everything back', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    const table = await openGroupTable<Value>(store)
    expect([...store.topics()]).toEqual([])
    const writes = [
      table.batch(
        [
          { key: 'a', value: { n: 1 } },
          { key: 'b', value: { n: 1 } },
        ],
        level,
      ),
      table.batch([{ key: 'a', value: { n: 2 } }], level),
      table.batch(
        [
          { key: 'b', delete: true },
          { key: 'c', value: { n: 3 } },
        ],
        level,
      ),
    ]
    await Promise.all(writes)
    expect(store.topic(groupsTopic)!.isInternal).toBe(true)
    expect(Object.fromEntries(table.range({ prefix: 'c' }))).toEqual({ c: { n: 3 } })
    await store.close()
    expect(await contents(disk)).toEqual({ a: { n: 2 }, c: { n: 3 } })
  })

  it('keeps changes in order that come while its topic is being made', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    const table = await openGroupTable<Value>(store)
    const writes: Promise<void>[] = []
    let isMade = false
    const first = table.batch([{ key: 'a', value: { n: 0 } }], level)
    void first.then(() => {
      isMade = true
    })
    for (let n = 1; !isMade; n++) {
      writes.push(table.batch([{ key: 'a', value: { n } }], level))
      if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    await Promise.all(writes)
    const log = store.topic(groupsTopic)!.log(0)
    const seen: number[] = []
    for await (const { value } of log.read()) seen.push(JSON.parse(String(value)).n)
    expect(seen).toEqual(seen.map((_, n) => n))
    expect(seen.length).toBe(writes.length + 1)
    await store.close()
  })

  it('takes a batch larger than what clients may send', async () => {
    const store = await openOn(simDisk(), { config: { 'max.message.bytes': '1000' } })
    const table = await openGroupTable<{ text: string }>(store)
    await table.batch([{ key: 'a', value: { text: 'x'.repeat(3_000_000) } }], level)
    await store.close()
  })

  it('has what a killed process wrote on disk before it shows any of it', async () => {
    const disk = simDisk()
    const table = await openGroupTable<Value>(await openOn(disk))
    await table.batch([{ key: 'a', value: { n: 1 } }], { level: 'os' })
    const killed = disk.processCrash()
    const seen = await openGroupTable<Value>(await openOn(killed))
    expect([...seen.range({ prefix: 'a' })]).toEqual([['a', { n: 1 }]])
    for (const crash of crashClasses) {
      expect(await contents(killed.crash({ class: crash }))).toEqual({ a: { n: 1 } })
    }
  })

  it('is one key after the other also within a batch', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    const table = await openGroupTable<Value>(store)
    const changes = [1, 2, 3].map((n) => ({ key: 'a', value: { n } }))
    await table.batch(
      [...changes, { key: 'b', value: { n: 9 } }, { key: 'b', delete: true }],
      level,
    )
    await store.close()
    expect(await contents(disk)).toEqual({ a: { n: 3 } })
  })

  it.each([
    ['a value that is not JSON', { key: 'a', value: '{' }],
    ['a record without a key', { value: '{}' }],
  ])('refuses %s', async (_, record) => {
    const disk = simDisk()
    const store = await openOn(disk)
    const made = await store.table(groupsTopic, { key: 'string', value: 'json' })
    await made.log.append(record)
    await store.close()
    const reopened = await openOn(disk)
    const reading = openGroupTable(reopened).then((table) => [...table.range({ prefix: '' })])
    await expect(reading).rejects.toThrow(StoreFormatError)
    await reopened.close()
  })

  it('is nothing that a topic or another table may be named', async () => {
    const store = await openOn(simDisk())
    for (const name of [groupsTopic, groupsTopic.replace('_groups', '.groups')]) {
      await expect(store.createTopic(name)).rejects.toThrow(InvalidTopicError)
    }
    await store.table(groupsTopic, { key: 'string', value: 'bytes' })
    await expect(openGroupTable(store)).rejects.toThrow(TableCodecError)
    await store.close()
  })
})

describe('committed offsets', () => {
  const partitions = 4

  async function fetchOffsets(broker: BrokerHarness): Promise<number[]> {
    const topics = [
      { name: 't', partitionIndexes: Array.from({ length: partitions }, (_, i) => i) },
    ]
    const answer = await broker.ask(offsetFetchApi, 8, { groups: [{ groupId: 'g', topics }] })
    return answer.groups[0]!.topics[0]!.partitions.map(({ committedOffset }) => committedOffset)
  }

  it.each(Array.from({ length: 40 }, (_, i) => i + 1))(
    'never go back below what was acknowledged, and never beyond what was sent (seed %i)',
    async (seed) => {
      const random = new SimRandom(seed)
      let disk = simDisk(seed)
      const acked = new Array<number>(partitions).fill(-1)
      const sent = new Array<number>(partitions).fill(-1)
      const first = await BrokerHarness.start({}, disk)
      await first.store.createTopic('t', { partitions })
      await first.stop()
      for (let life = 0; life < 5; life++) {
        const broker = await BrokerHarness.start({}, disk)
        const found = await fetchOffsets(broker)
        for (const [p, offset] of found.entries()) {
          expect(offset).toBeGreaterThanOrEqual(acked[p]!)
          expect(offset).toBeLessThanOrEqual(sent[p]!)
          // What was read once may be built upon: it must stay.
          acked[p] = offset
        }
        disk.stopAt(disk.operationCount + 1 + random.below(60))
        let isOver = false
        const running: Promise<void>[] = []
        for (let i = 0; i < 60; i++) {
          const partitionIndex = random.below(partitions)
          const committedOffset = ++sent[partitionIndex]!
          const partition = { partitionIndex, committedOffset, committedMetadata: null }
          const topics = [{ name: 't', partitions: [partition] }]
          const asked = broker.ask(offsetCommitApi, 8, { groupId: 'g', memberId: '', topics })
          const noted = asked.then(({ topics: [topic] }) => {
            if (topic!.partitions[0]!.errorCode !== 0 || isOver) return
            acked[partitionIndex] = Math.max(acked[partitionIndex]!, committedOffset)
          })
          running.push(noted)
          if (random.chance(0.3)) await noted
        }
        if (random.chance(0.5)) await Promise.all(running)
        isOver = true
        const isProcessOnly = random.chance(0.3)
        const crash = random.pick(crashClasses)
        disk = isProcessOnly ? disk.processCrash() : disk.crash({ class: crash })
        await Promise.all(running)
      }
    },
  )
})
