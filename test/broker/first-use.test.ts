/**
 * Goal: who is the first to ask for thousands of partitions, whose logs must be opened, keeps nobody
 * waiting; and what happens to topics meanwhile is minded.
 * Method: a restarted broker, and a clock by which every step takes long.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fetchApi } from '../../src/broker/api/fetch.ts'
import { listOffsetsApi } from '../../src/broker/api/list-offsets.ts'
import { BrokerHarness, batchOf } from '../support/broker-harness.ts'
import { SteppedClock } from '../support/stepped-clock.ts'

const partitions = 30
const [ok, unknownTopic] = [0, 3]

class SlowClock extends SteppedClock {
  override elapsedMs(): number {
    this.advance(10)
    return super.elapsedMs()
  }
}

let broker: BrokerHarness

beforeEach(async () => {
  const before = await BrokerHarness.start()
  for (const topic of ['a', 'b']) {
    await before.store.createTopic(topic, { partitions })
    for (let partition = 0; partition < partitions; partition++) {
      await before.produce(topic, batchOf(['x', 'y']), { partition })
    }
  }
  await before.stop()
  broker = await BrokerHarness.start({}, before.disk, new SlowClock())
})

afterEach(() => broker.stop())

const all = Array.from({ length: partitions }, (_, partition) => partition)

async function listOffsets(timestamp: number): Promise<[errorCode: number, offset: number][]> {
  const topics = ['a', 'b'].map((name) => ({
    name,
    partitions: all.map((partitionIndex) => ({ partitionIndex, timestamp })),
  }))
  const answer = await broker.ask(listOffsetsApi, 5, { replicaId: -1, isolationLevel: 0, topics })
  return answer.topics.flatMap((topic) =>
    topic.partitions.map(({ errorCode, offset }): [number, number] => [errorCode, offset]),
  )
}

async function fetchAll(): Promise<[errorCode: number, highWatermark: number][]> {
  const topics = ['a', 'b'].map((topic) => ({
    topic,
    partitions: all.map((partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1000 })),
  }))
  const limits = { maxWaitMs: 0, minBytes: 1, maxBytes: 1_000_000 }
  const answer = await broker.ask(fetchApi, 11, { ...limits, topics, forgottenTopicsData: [] })
  return answer.responses.flatMap((topic) =>
    topic.partitions.map(({ errorCode, highWatermark }): [number, number] => [
      errorCode,
      Number(highWatermark),
    ]),
  )
}

describe.each([
  ['ListOffsets by name', () => listOffsets(-1), 2],
  ['ListOffsets by time', () => listOffsets(1), 0],
  ['a fetch', fetchAll, 2],
])('%s', (_, ask, offset) => {
  it('lets others have a turn between the logs that it opens', async () => {
    const answers = ask()
    let isOver = false
    void answers.then(() => {
      isOver = true
    })
    let turns = 0
    for (; !isOver; turns++) await new Promise((resolve) => setImmediate(resolve))
    expect(await answers).toEqual([...all, ...all].map(() => [ok, offset]))
    expect(turns).toBeGreaterThan(partitions)
  })

  it('answers for a topic that is deleted, or made anew, meanwhile', async () => {
    const answers = ask()
    await new Promise((resolve) => setImmediate(resolve))
    await broker.store.deleteTopic('b')
    await broker.store.createTopic('b', { partitions })
    const found = await answers
    expect(found.slice(0, partitions)).toEqual(all.map(() => [ok, offset]))
    // Of none that it finds deleted are records of another.
    for (const [errorCode, ofNew] of found.slice(partitions)) {
      expect([ok, unknownTopic]).toContain(errorCode)
      if (errorCode === ok) expect(ofNew).toBeLessThanOrEqual(0)
    }
    expect(broker.store.topic('b')!.log(0).endOffset).toBe(0)
  })
})
