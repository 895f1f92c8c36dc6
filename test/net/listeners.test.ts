// Goal: every address of a server tells its clients where they reach all of its brokers.
// Method: servers on the loopback interface; the rules of addresses without any socket.
import { afterEach, describe, expect, it } from 'vitest'
import { createTopicsApi } from '../../src/broker/api/create-topics.ts'
import { describeClusterApi } from '../../src/broker/api/describe-cluster.ts'
import { metadataApi } from '../../src/broker/api/metadata.ts'
import { produceApi } from '../../src/broker/api/produce.ts'
import { checkListeners, type Listener, listenerContext } from '../../src/net/listeners.ts'
import { type LogServer, type ServeOptions, serve } from '../../src/net/serve.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import { batchOf } from '../support/broker-harness.ts'
import { KafkaClient } from '../support/kafka-client.ts'
import { simDisk } from '../support/log-inspection.ts'

const cleanUps: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function start(options: ServeOptions, disk = simDisk()): Promise<[LogServer, Store]> {
  const store = await openStore('/data', { fileSystem: disk, nodeId: 7 })
  cleanUps.push(() => store.close())
  const server = await serve(store, options)
  cleanUps.push(() => server.close({ deadlineMs: 1000 }))
  return [server, store]
}

async function connect(port: number): Promise<KafkaClient> {
  const client = await KafkaClient.connect(port)
  cleanUps.push(() => client.close())
  return client
}

describe('several listeners', () => {
  it('each advertise themselves to those who came to them', async () => {
    const [server] = await start({
      listeners: [
        { name: 'INTERNAL', port: 0 },
        { name: 'EXTERNAL', port: 0, advertisedHost: 'log.example', advertisedPort: 9094 },
        { name: 'ANY', port: 0, host: '0.0.0.0' },
      ],
      rack: 'r1',
    })
    expect(server.listeners.map(({ name }) => name)).toEqual(['INTERNAL', 'EXTERNAL', 'ANY'])
    const told = []
    for (const { port } of server.listeners) {
      const { brokers } = await (await connect(port)).ask(metadataApi, 12, { topics: [] })
      told.push(...brokers)
    }
    const [internal, , any] = server.listeners
    expect(told).toEqual([
      { nodeId: 7, host: '127.0.0.1', port: internal!.port, rack: 'r1' },
      { nodeId: 7, host: 'log.example', port: 9094, rack: 'r1' },
      { nodeId: 7, host: '127.0.0.1', port: any!.port, rack: 'r1' },
    ])
  })

  it('share one bound of connections', async () => {
    const listeners = [
      { name: 'A', port: 0 },
      { name: 'B', port: 0 },
    ]
    const [server] = await start({ listeners, maxConnections: 1 })
    await (await connect(server.listeners[0]!.port)).ask(metadataApi, 12, { topics: [] })
    const second = await connect(server.listeners[1]!.port)
    await second.tcp.closed
    expect(server.connectionCount).toBe(1)
  })

  it('let go of those already bound when one cannot be had', async () => {
    const [server] = await start({ port: 0 })
    const store = await openStore('/data', { fileSystem: simDisk() })
    cleanUps.push(() => store.close())
    const free = await serve(store, { port: 0 })
    const { port } = free
    await free.close()
    const listeners = [
      { name: 'A', port },
      { name: 'B', port: server.port },
    ]
    await expect(serve(store, { listeners })).rejects.toMatchObject({ code: 'ERR_LISTEN' })
    const again = await serve(store, { port })
    await again.close()
  })
})

describe('several brokers', () => {
  const topic = (name: string, fields: object = {}) => ({
    name,
    numPartitions: -1,
    replicationFactor: -1,
    assignments: [],
    configs: [],
    ...fields,
  })

  it('are node ids on ports of their own that lead partitions in turn, all in sync', async () => {
    const [server, store] = await start({ port: 0, brokers: 3, defaultReplicationFactor: 3 })
    expect(server.addresses).toHaveLength(3)
    const client = await connect(server.port)
    const counts = { numPartitions: 4, replicationFactor: 2 }
    const topics = [topic('two', counts), topic('default'), topic('four', { replicationFactor: 4 })]
    const created = (await client.ask(createTopicsApi, 7, { topics })).topics
    expect(created.map(({ errorCode }) => errorCode)).toEqual([0, 0, 38])
    expect(created.map(({ replicationFactor }) => replicationFactor)).toEqual([2, 3, -1])
    const {
      brokers,
      controllerId,
      topics: told,
    } = await client.ask(metadataApi, 12, {
      topics: null,
    })
    expect(brokers.map(({ nodeId, port }) => ({ nodeId, port }))).toEqual(
      server.listeners.map(({ nodeId, port }) => ({ nodeId, port })),
    )
    expect(brokers.map(({ nodeId }) => nodeId)).toEqual([7, 8, 9])
    expect(controllerId).toBe(7)
    const two = told.find(({ name }) => name === 'two')!
    expect(two.partitions.map(({ leaderId }) => leaderId)).toEqual([7, 8, 9, 7])
    expect(two.partitions.map(({ replicaNodes }) => replicaNodes)).toEqual([
      [7, 8],
      [8, 9],
      [9, 7],
      [7, 8],
    ])
    for (const { replicaNodes, isrNodes } of two.partitions) expect(isrNodes).toEqual(replicaNodes)
    // Each takes records for the partitions it leads, and they lie in one store.
    for (const [index, { port }] of server.listeners.entries()) {
      const leader = await connect(port)
      const partitionData = [{ index, records: batchOf(['a']) }]
      await leader.ask(produceApi, 9, {
        acks: -1,
        timeoutMs: 30_000,
        topicData: [{ name: 'two', partitionData }],
      })
      expect(store.topic('two')!.log(index).endOffset).toBe(1)
      const { brokers: cluster } = await leader.ask(describeClusterApi, 1, {
        includeClusterAuthorizedOperations: false,
        includeFencedBrokers: false,
      })
      expect(cluster.map(({ brokerId }) => brokerId)).toEqual([7, 8, 9])
    }
  })

  it('keep what was asked for over a restart, with the brokers there are then', async () => {
    const disk = simDisk()
    const [, store] = await start({ port: 0, brokers: 3 }, disk)
    await store.createTopic('t', { partitions: 2, assignments: [[9, 7], [8]] })
    await store.createTopic('u', { replicationFactor: 3 })
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
    const replicas = async (brokers: number) => {
      const [server] = await start({ port: 0, brokers }, disk)
      const client = await connect(server.port)
      const { topics } = await client.ask(metadataApi, 12, { topics: null })
      for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
      return topics.map(({ partitions }) => partitions.map(({ replicaNodes }) => replicaNodes))
    }
    expect(await replicas(3)).toEqual([[[9, 7], [8]], [[7, 8, 9]]])
    expect(await replicas(1)).toEqual([[[7], [7]], [[7]]])
  })

  it.each([
    ['no node at all', [], 39],
    ['a node there is not', [10], 39],
    ['a node twice', [7, 7], 39],
    ['other numbers of nodes', [7, 8, 9], 39],
    ['the nodes there are', [8, 7], 0],
  ])('are assigned by hand: %s', async (_, brokerIds, errorCode) => {
    const [server] = await start({ port: 0, brokers: 3 })
    const client = await connect(server.port)
    const assignments = [
      { partitionIndex: 0, brokerIds: [9, 8] },
      { partitionIndex: 1, brokerIds },
    ]
    const { topics } = await client.ask(createTopicsApi, 7, {
      topics: [topic('t', { assignments })],
    })
    expect(topics[0]!.errorCode).toBe(errorCode)
    if (errorCode !== 0) return
    const { topics: told } = await client.ask(metadataApi, 12, { topics: null })
    expect(told[0]!.partitions.map(({ leaderId }) => leaderId)).toEqual([9, 8])
  })
})

describe('options of listeners', () => {
  it.each<[object[], number, RegExp]>([
    [[], 1, /listeners is Array: expected a list of one or more/],
    [[{ name: 'A B' }], 1, /listeners.name is "A B"/],
    [[{ name: 'A' }, { name: 'A', port: 1 }], 1, /a name of its own/],
    [
      [
        { name: 'A', port: 9092 },
        { name: 'B', port: 9094 },
      ],
      3,
      /a port of its own/,
    ],
    [[{ name: 'A' }, { name: 'B', host: '0.0.0.0' }], 1, /a port of its own/],
    [[{ port: 65_535 }], 2, /port is 65535: expected an integer from 0 to 65534/],
    [[{ advertisedPort: 65_535 }], 2, /advertisedPort is 65535/],
    [[{ prot: 1 }], 1, /prot/],
  ])('refuses %j for %i nodes', (listeners, nodeCount, why) => {
    expect(() => checkListeners(listeners, nodeCount)).toThrow(why)
  })

  it('takes listeners side by side', () => {
    const listeners = [
      { name: 'A', port: 9092 },
      { name: 'B', port: 9095 },
      { name: 'C', port: 0 },
    ]
    expect(checkListeners(listeners, 3)).toHaveLength(3)
    expect(checkListeners([{ host: '::1' }, { name: 'B', host: '127.0.0.1' }], 1)).toHaveLength(2)
  })

  it.each([
    [{ listeners: [{ port: 0 }], port: 1 }, /port is 1: expected it in an item of listeners/],
    [{ brokers: 0 }, /brokers is 0/],
    [{ brokers: 2, defaultReplicationFactor: 3 }, /defaultReplicationFactor is 3/],
    [{ rack: '' }, /rack is ""/],
  ])('refuses %j', async (options, why) => {
    const store = await openStore('/data', { fileSystem: simDisk() })
    await expect(serve(store, options)).rejects.toThrow(why)
    await store.close()
  })

  it('refuses more brokers than there are node ids', async () => {
    const store = await openStore('/data', { fileSystem: simDisk(), nodeId: 2_147_483_646 })
    await expect(serve(store, { port: 0, brokers: 3 })).rejects.toThrow(/brokers is 3/)
    await store.close()
  })

  it('tells the address a client came to, IPv4 as such', () => {
    const listener: Listener = {
      name: 'A',
      host: '::',
      port: 0,
      advertisedHost: undefined,
      advertisedPort: undefined,
    }
    const endpoint = { listener, nodeId: 1, port: 5 }
    const hostTold = (address: string) => listenerContext(endpoint, [endpoint], address).host
    expect(hostTold('::ffff:10.0.0.7')).toBe('10.0.0.7')
    expect(hostTold('fe80::1')).toBe('fe80::1')
  })
})
