// Covers api/describe-producers.ts, describe-quorum.ts, describe-transactions.ts,
// list-transactions.ts and list-config-resources.ts.
// Goal: what tools look at to see how a cluster is doing: producers that are remembered, one voter,
// no transaction; and every documented error.
// Method: whole frames through a broker over a store on the simulated disk, restarts included.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { describeProducersApi } from '../../src/broker/api/describe-producers.ts'
import { describeQuorumApi } from '../../src/broker/api/describe-quorum.ts'
import { describeTransactionsApi } from '../../src/broker/api/describe-transactions.ts'
import { listConfigResourcesApi } from '../../src/broker/api/list-config-resources.ts'
import { listTransactionsApi } from '../../src/broker/api/list-transactions.ts'
import { BrokerHarness, batchOf } from '../support/broker-harness.ts'
import { SteppedClock } from '../support/stepped-clock.ts'

let broker: BrokerHarness
beforeEach(async () => {
  broker = await BrokerHarness.start()
  await broker.store.createTopic('t', { partitions: 2 })
})
afterEach(() => broker.stop())

describe('DescribeProducers', () => {
  const ask = async (name: string, ...partitionIndexes: number[]) => {
    const topics = [{ name, partitionIndexes }]
    const answer = await broker.ask(describeProducersApi, 0, { topics })
    expect(answer.topics.map((topic) => topic.name)).toEqual([name])
    return answer.topics[0]!.partitions
  }
  // One that has been silent for a day is forgotten when the log opens.
  const nowMs = Date.now()
  const produce = (id: number, epoch: number, sequence: number, values: string[]) => {
    const producer = { producerId: id, producerEpoch: epoch, baseSequence: sequence }
    const timestamps = values.map(() => nowMs)
    return broker.produce('t', batchOf(values, { producer, timestamps }))
  }

  it('names the last batch of each, by partition, also after a restart', async () => {
    await produce(7, 0, 0, ['a', 'b'])
    await produce(7, 0, 2, ['c'])
    await produce(8, 3, 0, ['d'])
    await broker.produce('t', batchOf(['not idempotent']))
    const expected = [
      { producerId: 7, producerEpoch: 0, lastSequence: 2 },
      { producerId: 8, producerEpoch: 3, lastSequence: 0 },
    ].map((producer) => ({
      ...producer,
      lastTimestamp: nowMs,
      coordinatorEpoch: -1,
      currentTxnStartOffset: -1,
    }))
    const none = { errorCode: 0, errorMessage: null, activeProducers: [] }
    expect(await ask('t', 0, 1)).toEqual([
      { ...none, partitionIndex: 0, activeProducers: expected },
      { ...none, partitionIndex: 1 },
    ])
    const disk = broker.disk.crash()
    await broker.stop()
    broker = await BrokerHarness.start({}, disk)
    expect((await ask('t', 0))[0]!.activeProducers).toEqual(expected)
  })

  it('has an error for each partition there is not', async () => {
    expect(await ask('t', 2, -1, 0)).toMatchObject([
      { partitionIndex: 2, errorCode: 3, activeProducers: [] },
      { partitionIndex: -1, errorCode: 3 },
      { partitionIndex: 0, errorCode: 0 },
    ])
    expect(await ask('nowhere', 0)).toMatchObject([{ errorCode: 3 }])
    expect(await ask('', 0)).toMatchObject([{ errorCode: 3 }])
    expect(broker.store.topic('nowhere')).toBeUndefined()
  })
})

describe('transactions', () => {
  it('are none, whatever they are asked for by', async () => {
    const asked = { stateFilters: ['Ongoing', 'Sleeping'], producerIdFilters: [1, 2] }
    for (const version of [0, 1, 2]) {
      expect(await broker.ask(listTransactionsApi, version, asked)).toMatchObject({
        errorCode: 0,
        unknownStateFilters: ['Sleeping'],
        transactionStates: [],
      })
    }
    const answer = async (transactionalIdPattern: string | null) => {
      const request = { stateFilters: [], producerIdFilters: [], transactionalIdPattern }
      return (await broker.ask(listTransactionsApi, 2, request)).errorCode
    }
    expect([await answer(null), await answer('app-.*'), await answer('(')]).toEqual([0, 0, 128])
  })

  it('are each unknown when they are named', async () => {
    const request = { transactionalIds: ['a', '', 'b'] }
    const { transactionStates } = await broker.ask(describeTransactionsApi, 0, request)
    expect(transactionStates.map((state) => [state.transactionalId, state.errorCode])).toEqual([
      ['a', 105],
      ['', 42],
      ['b', 105],
    ])
  })
})

describe('DescribeQuorum', () => {
  const quorum = { topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }
  const ask = async (version: number, topics = [quorum]) =>
    broker.ask(describeQuorumApi, version, { topics })

  it.each([0, 1, 2])('has one voter, which leads and has all of the log, in v%i', async (v) => {
    await broker.stop()
    const clock = new SteppedClock()
    broker = await BrokerHarness.start({ brokerCount: 2 }, broker.disk, clock)
    broker.node = 1
    const answer = await ask(v)
    const { nodeId, leaderEpoch, metadataOffset } = broker.store
    expect(metadataOffset).toBeGreaterThan(0)
    const nowMs = v >= 1 ? clock.now() : -1
    const replica = (replicaId: number) => ({
      replicaId,
      replicaDirectoryId: 'AAAAAAAAAAAAAAAAAAAAAA',
      logEndOffset: metadataOffset,
      lastFetchTimestamp: nowMs,
      lastCaughtUpTimestamp: nowMs,
    })
    expect(answer.topics).toMatchObject([
      {
        topicName: '__cluster_metadata',
        partitions: [
          {
            errorCode: 0,
            leaderId: nodeId,
            leaderEpoch,
            highWatermark: metadataOffset,
            currentVoters: [replica(nodeId)],
            observers: [replica(nodeId + 1)],
          },
        ],
      },
    ])
    const listeners = [{ name: 'PLAINTEXT', host: 'log.test', port: 9092 }]
    expect(answer.nodes).toEqual(v >= 2 ? [{ nodeId, listeners }] : [])
  })

  it('has a high watermark that grows with every change of the cluster, and stays', async () => {
    const watermark = async () => (await ask(2)).topics[0]!.partitions[0]!.highWatermark
    const first = await watermark()
    await broker.store.createTopic('u')
    const second = await watermark()
    expect(second).toBe(first + 1)
    await broker.stop()
    broker = await BrokerHarness.start({}, broker.disk)
    expect(await watermark()).toBe(second)
  })

  it.each([
    [[{ topicName: 't', partitions: [{ partitionIndex: 0 }] }]],
    [[{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 1 }] }]],
    [[quorum, { topicName: 't', partitions: [{ partitionIndex: 0 }] }]],
  ])('knows no other log %#', async (topics) => {
    const answer = await ask(1, topics)
    expect(answer.errorCode).toBe(0)
    const codes = answer.topics.flatMap(({ partitions }) => partitions.map((p) => p.errorCode))
    expect(codes).toEqual(topics.map(() => 3))
  })
})

describe('ListConfigResources', () => {
  const ask = async (version: number, resourceTypes: number[] = []) => {
    const answer = await broker.ask(listConfigResourcesApi, version, { resourceTypes })
    if (answer.errorCode !== 0) return answer.errorCode
    return answer.configResources.map((each) => [each.resourceType, each.resourceName])
  }

  it('names topics and brokers, and no metrics, groups or loggers: they have no settings', async () => {
    const id = String(broker.store.nodeId)
    expect(await ask(0)).toEqual([])
    expect(await ask(1)).toEqual([
      [2, 't'],
      [4, id],
    ])
    expect(await ask(1, [4, 4, 8, 16, 32])).toEqual([[4, id]])
    expect(await ask(1, [2, 3])).toBe(35)
  })
})
