// Covers api/produce.ts and config-entry.ts for the durability levels a topic sets itself.
// Goal: acks 1 and acks all wait for the level of the topic, else of the store, else of the server.
// Method: the recovery point of a log on the simulated disk when the answer is there.
import { afterEach, describe, expect, it } from 'vitest'
import { describeConfigsApi } from '../../src/broker/api/describe-configs.ts'
import { produceApi } from '../../src/broker/api/produce.ts'
import type { BrokerSettings } from '../../src/broker/broker-environment.ts'
import { openStore } from '../../src/store/store.ts'
import { BrokerHarness, batchOf } from '../support/broker-harness.ts'
import { simDisk } from '../support/log-inspection.ts'

let broker: BrokerHarness
const start = async (settings: Partial<BrokerSettings> = {}) => {
  broker = await BrokerHarness.start(settings)
}

afterEach(() => broker.stop())

/** Whether the batch was on disk when its answer came. */
async function isOnDisk(topic: string, acks: number): Promise<boolean> {
  const answer = await broker.produce(topic, batchOf(['a']), { acks })
  expect(answer.errorCode).toBe(0)
  return broker.store.topic(topic)!.log(0).recoveryPoint > answer.baseOffset
}

describe('an answer to a produce request', () => {
  it('waits for the level of the server where the topic sets none', async () => {
    await start()
    await broker.store.createTopic('t')
    expect(await isOnDisk('t', 1)).toBe(false)
    expect(await isOnDisk('t', -1)).toBe(true)
  })

  it.each([
    [1, 'stratalog.acks.1.level'],
    [-1, 'stratalog.acks.all.level'],
  ])('with acks=%i waits for the level its topic sets', async (acks, name) => {
    for (const [server, own] of [
      ['os', 'disk'],
      ['disk', 'os'],
      ['disk', 'memory'],
    ] as const) {
      await start({ acksLevels: { 1: server, all: server } })
      await broker.store.createTopic('t', { config: { [name]: own } })
      expect(await isOnDisk('t', acks)).toBe(own === 'disk')
      await broker.stop()
    }
  })

  it('waits for each partition at the level of its own topic', async () => {
    await start()
    const all = 'stratalog.acks.all.level'
    await broker.store.createTopic('fast', { config: { [all]: 'os' } })
    await broker.store.createTopic('safe')
    const topicData = ['fast', 'safe'].map((name) => ({
      name,
      partitionData: [{ index: 0, records: batchOf(['a']) }],
    }))
    const request = { acks: -1, timeoutMs: 30_000, topicData }
    const answer = await broker.ask(produceApi, 9, request)
    expect(answer.responses.map(({ partitionResponses: [p] }) => p!.errorCode)).toEqual([0, 0])
    expect(broker.store.topic('safe')!.log(0).recoveryPoint).toBe(1)
  })
})

describe('the levels of a topic', () => {
  it('are checked and shown with their source', async () => {
    await start({ acksLevels: { 1: 'disk', all: 'disk' } })
    await expect(
      broker.store.createTopic('bad', { config: { 'stratalog.level': 'paper' } }),
    ).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID' })
    await broker.store.createTopic('t', { config: { 'stratalog.level': 'os' } })
    const keys = ['stratalog.level', 'stratalog.acks.1.level', 'stratalog.acks.all.level']
    const { results } = await broker.ask(describeConfigsApi, 4, {
      resources: [{ resourceType: 2, resourceName: 't', configurationKeys: keys }],
      includeSynonyms: true,
    })
    const shown = new Map(results[0]!.configs.map((config) => [config.name, config]))
    expect(shown.get('stratalog.level')).toMatchObject({
      value: 'os',
      configSource: 1,
      synonyms: [
        { name: 'stratalog.level', value: 'os', source: 1 },
        { name: 'stratalog.level', value: 'disk', source: 5 },
      ],
    })
    expect(shown.get('stratalog.acks.1.level')).toMatchObject({
      value: 'disk',
      configSource: 4,
      synonyms: [
        { value: 'disk', source: 4 },
        { value: 'os', source: 5 },
      ],
    })
    expect(shown.get('stratalog.acks.all.level')).toMatchObject({ value: 'disk', configSource: 5 })
  })

  it('decide what appends of the library wait for', async () => {
    await start()
    await broker.store.createTopic('t', { config: { 'stratalog.level': 'os' } })
    expect(await broker.store.topic('t')!.log(0).append('a')).toMatchObject({ level: 'os' })
    const store = await openStore('/data', { fileSystem: simDisk(), level: 'os' })
    await store.createTopic('safe', { config: { 'stratalog.level': 'disk' } })
    const levels = [await store.log('plain'), await store.log('safe')].map((log) => log.append('a'))
    expect((await Promise.all(levels)).map(({ level }) => level)).toEqual(['os', 'disk'])
    await store.close()
  })
})
