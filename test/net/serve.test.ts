import { afterEach, describe, expect, it } from 'vitest'
import { InvalidOptionError, ListenError } from '../../src/base/errors.ts'
import { heartbeatApi } from '../../src/broker/api/heartbeat.ts'
import { joinGroupApi } from '../../src/broker/api/join-group.ts'
import { metadataApi } from '../../src/broker/api/metadata.ts'
import { produceApi } from '../../src/broker/api/produce.ts'
import { type LogServer, type ServeOptions, serve } from '../../src/net/serve.ts'
import { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { errorCodes } from '../../src/protocol/error-codes.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import { batchOf, recordsOf } from '../support/broker-harness.ts'
import { KafkaClient } from '../support/kafka-client.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

// Goal: the whole way from a socket to the file and back, on a real disk.

const cleanUps: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function open(): Promise<Store> {
  const directory = makeTemporaryDirectory()
  cleanUps.push(() => directory.remove())
  const store = await openStore(directory.path)
  cleanUps.push(() => store.close())
  return store
}

async function start(store: Store, options: ServeOptions = {}): Promise<LogServer> {
  const server = await serve(store, { port: 0, ...options })
  cleanUps.push(() => server.close({ deadlineMs: 1000 }))
  return server
}

async function connect(server: LogServer): Promise<KafkaClient> {
  const client = await KafkaClient.connect(server.port)
  cleanUps.push(() => client.close())
  return client
}

const produceRequest = (values: readonly string[], acks = -1) => ({
  acks,
  timeoutMs: 30_000,
  topicData: [{ name: 't', partitionData: [{ index: 0, records: batchOf(values) }] }],
})

const fetchRequest = (fetchOffset: number, maxWaitMs = 0, partitionMaxBytes = 50_000_000) => ({
  maxWaitMs,
  minBytes: 1,
  topics: [{ topic: 't', partitions: [{ partition: 0, fetchOffset, partitionMaxBytes }] }],
})

/** Resolves when the server has begun everything `client` sent so far. */
async function whenReached(store: Store, client: KafkaClient): Promise<void> {
  const marker = await store.log('marker')
  client.tell(produceApi, 9, {
    acks: 0,
    timeoutMs: 0,
    topicData: [{ name: 'marker', partitionData: [{ index: 0, records: batchOf(['x']) }] }],
  })
  await marker.reached('os', marker.endOffset + 1)
}

const recordsIn = (answer: Awaited<ReturnType<KafkaClient['fetchOne']>>) =>
  recordsOf(answer.records!)

describe('a served store', () => {
  it('takes records from a client and gives them to clients and to its own process', async () => {
    const store = await open()
    const client = await connect(await start(store))
    await client.ask(metadataApi, 12, { topics: [{ name: 't' }] })
    const { responses } = await client.ask(produceApi, 9, produceRequest(['a', 'b']))
    expect(responses[0]!.partitionResponses[0]).toMatchObject({ errorCode: 0, baseOffset: 0 })
    expect(recordsIn(await client.fetchOne(12, fetchRequest(0)))).toEqual([
      { offset: 0, value: 'a' },
      { offset: 1, value: 'b' },
    ])
    const log = await store.log('t')
    const values: string[] = []
    for await (const record of log.read()) values.push(String(record.value))
    expect(values).toEqual(['a', 'b'])
  })

  it('wakes a waiting client when its own process appends', async () => {
    const store = await open()
    const log = await store.log('t')
    const client = await connect(await start(store))
    const waiting = client.fetchOne(11, fetchRequest(0, 3_600_000))
    await whenReached(store, client)
    await log.append('embedded')
    expect(recordsIn(await waiting).map(({ value }) => value)).toEqual(['embedded'])
  })

  it('sends megabytes of records unchanged, several answers behind each other', async () => {
    const store = await open()
    const log = await store.log('t')
    const value = 'x'.repeat(10_000)
    for (let i = 0; i < 60; i++) {
      await log.append(
        Array.from({ length: 10 }, (_, j) => `${i}-${j}-${value}`),
        { level: 'os' },
      )
    }
    const client = await connect(await start(store))
    const answers = [0, 0, 300, 599].map((offset) => client.fetchOne(12, fetchRequest(offset)))
    const counts = (await Promise.all(answers)).map((answer) => recordsIn(answer).length)
    expect(counts).toEqual([600, 600, 300, 10])
    const last = recordsIn(await client.fetchOne(12, fetchRequest(599))).at(-1)!
    expect(last).toEqual({ offset: 599, value: `59-9-${value}` })
  })

  it('is served once at a time: two servers would overwrite what the other keeps of groups', async () => {
    const store = await open()
    const first = await start(store)
    await expect(serve(store, { port: 0 })).rejects.toThrow(InvalidOptionError)
    await expect(connect(first)).resolves.toBeDefined()
    await first.close()
    await start(store)
  })

  it('answers members that wait to join when it closes', async () => {
    const store = await open()
    const server = await start(store)
    const [member, other] = [await connect(server), await connect(server)]
    const request = {
      groupId: 'g',
      sessionTimeoutMs: 10_000,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
    }
    const { memberId } = await member.ask(joinGroupApi, 3, request)
    const waiting = other.ask(joinGroupApi, 3, request)
    const beat = { groupId: 'g', generationId: 1, memberId }
    while ((await member.ask(heartbeatApi, 1, beat)).errorCode !== errorCodes.rebalanceInProgress) {
      // The other's request is still on its way.
    }
    await server.close()
    expect((await waiting).errorCode).toBe(errorCodes.coordinatorNotAvailable)
  })

  it('keeps the order of requests in flight, acks=0 among them', async () => {
    const store = await open()
    await store.createTopic('t')
    const client = await connect(await start(store))
    const answers = []
    for (let i = 0; i < 30; i++) {
      if (i % 3 === 0) client.tell(produceApi, 9, produceRequest([`${i}`], 0))
      else answers.push(client.ask(produceApi, 9, produceRequest([`${i}`], i % 3 === 1 ? 1 : -1)))
    }
    const offsets = (await Promise.all(answers)).map(
      ({ responses }) => responses[0]!.partitionResponses[0]!.baseOffset,
    )
    expect(offsets).toEqual(Array.from({ length: 30 }, (_, i) => i).filter((i) => i % 3 !== 0))
  })

  it('answers what is parked when it is closed, and leaves the store open', async () => {
    const store = await open()
    const log = await store.log('t')
    const server = await start(store)
    const client = await connect(server)
    const waiting = client.fetchOne(11, fetchRequest(0, 3_600_000))
    await whenReached(store, client)
    const closing = server.close()
    expect((await waiting).errorCode).toBe(0)
    client.end()
    await closing
    expect(await log.append('still open')).toMatchObject({ offset: 0 })
  })

  it('tells clients the advertised address', async () => {
    const store = await open()
    const options = { advertisedHost: 'log.example', advertisedPort: 1234 }
    const client = await connect(await start(store, options))
    const { brokers } = await client.ask(metadataApi, 12, { topics: [] })
    expect(brokers).toMatchObject([{ host: 'log.example', port: 1234 }])
  })
})

describe('serve', () => {
  it.each<[keyof ServeOptions, unknown, RegExp]>([
    ['port', 70_000, /port is 70000: expected an integer from 0 to 65535/],
    ['port', '9092', /port is "9092"/],
    ['host', '', /host is ""/],
    ['defaultPartitions', 0, /from 1 to 100000/],
    ['autoCreateTopics', 'yes', /true or false/],
    [
      'acksLevels',
      { all: 'ssd' },
      /acksLevels.all is "ssd": expected one of "memory", "os", "disk"/,
    ],
    ['acksLevels', { 2: 'os' }, /acksLevels.2/],
    ['logger', {}, /logger is Object: expected an object with the methods/],
    ['clock', { now: Date.now, after: () => {} }, /clock is Object: .*elapsedMs/],
    ['sendBufferBytes', -2, /from -1 to 1073741823/],
    ['sendBufferBytes', 2 ** 30, /from -1 to 1073741823/],
    ['prot' as 'port', 1, /no such option/],
  ])('refuses %s = %j, saying what it expected', async (option, value, message) => {
    const store = await open()
    const served = serve(store, { port: 0, [option]: value })
    await expect(served).rejects.toThrow(InvalidOptionError)
    await expect(served).rejects.toThrow(message)
  })

  it('refuses a store that is closed', async () => {
    const store = await openStore('/data', {
      fileSystem: new SimFileSystem({ seed: 1, directories: ['/data'] }),
    })
    await store.close()
    await expect(serve(store, { port: 0 })).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })

  it('refuses what is no store', async () => {
    await expect(serve({} as Store)).rejects.toThrow(/store is Object: expected an open store/)
  })

  it('says when its port is taken', async () => {
    const store = await open()
    const server = await start(store)
    await expect(serve(await open(), { port: server.port })).rejects.toThrow(ListenError)
  })
})
