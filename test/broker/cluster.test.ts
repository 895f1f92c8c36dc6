// Covers api/ for versions, offsets, cluster, producer ids and settings, and broker.ts itself.
// Goal: every documented answer and error of those APIs, over their versions.
// Method: whole frames through a broker over a store on the simulated disk.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { apiVersionsApi } from '../../src/broker/api/api-versions.ts'
import { describeClusterApi } from '../../src/broker/api/describe-cluster.ts'
import { describeConfigsApi } from '../../src/broker/api/describe-configs.ts'
import { initProducerIdApi } from '../../src/broker/api/init-producer-id.ts'
import { listOffsetsApi } from '../../src/broker/api/list-offsets.ts'
import { metadataApi } from '../../src/broker/api/metadata.ts'
import { produceApi } from '../../src/broker/api/produce.ts'
import { servedApis } from '../../src/broker/api-table.ts'
import { isPending, RefusedRequestError } from '../../src/broker/frame-handler.ts'
import { readResponse, writeRequest } from '../../src/protocol/api.ts'
import { BrokerHarness, batchOf } from '../support/broker-harness.ts'
import { frameBytes } from '../support/wire-frame.ts'

let broker: BrokerHarness

beforeEach(async () => {
  broker = await BrokerHarness.start()
})

afterEach(() => broker.stop())

describe('versions', () => {
  it('are those of the table, each API once', async () => {
    for (const version of [0, 1, 2, 3, 4]) {
      const { errorCode, apiKeys } = await broker.ask(apiVersionsApi, version, {})
      expect(errorCode).toBe(0)
      expect(apiKeys).toEqual(
        servedApis.map(({ api }) => ({
          apiKey: api.key,
          minVersion: api.versions.min,
          maxVersion: api.versions.max,
        })),
      )
    }
  })

  it.each([5, 99])('of ApiVersions above ours (%i) are answered in v0', (version) => {
    const bytes = Buffer.alloc(30, 0xff)
    bytes.writeInt16BE(18, 0)
    bytes.writeInt16BE(version, 2)
    bytes.writeInt32BE(77, 4)
    const answer = broker.broker.handle(bytes, broker.context())
    if (answer === null || isPending(answer)) throw new Error('expected an answer at once')
    const { correlationId, body } = readResponse(apiVersionsApi, 0, frameBytes(answer))
    expect(correlationId).toBe(77)
    expect(body.errorCode).toBe(35)
    expect(body.apiKeys).toContainEqual({ apiKey: 18, minVersion: 0, maxVersion: 4 })
  })

  it.each([
    ['an unknown API', 999, 0, /this API is not served/],
    ['a negative key', -1, 0, /this API is not served/],
    ['a version above ours', 3, 14, /this version is not served/],
    ['a negative version', 18, -1, /this version is not served/],
  ])('and keys: %s is refused', (_, key, version, why) => {
    const bytes = Buffer.alloc(10)
    bytes.writeInt16BE(key, 0)
    bytes.writeInt16BE(version, 2)
    const ask = () => broker.broker.handle(bytes, broker.context())
    expect(ask).toThrow(RefusedRequestError)
    expect(ask).toThrow(why)
  })

  it('a body that is not one is refused with who sent it', () => {
    const header = { apiVersion: 1, correlationId: 1, clientId: 'me' }
    const frame = frameBytes(writeRequest(metadataApi, header, { topics: [{ name: 'topic' }] }))
    const ask = () => broker.broker.handle(frame.subarray(0, -2), broker.context())
    expect(ask).toThrow(/undecodable request: string of length 5/)
    expect(ask).toThrow(
      expect.objectContaining({ apiKey: 3, apiVersion: 1, clientId: 'me' }) as Error,
    )
    expect(() => broker.broker.handle(Buffer.alloc(3), broker.context())).toThrow(
      RefusedRequestError,
    )
  })

  it('bytes behind a body are ignored', () => {
    const header = { apiVersion: 0, correlationId: 1, clientId: null }
    const frame = frameBytes(writeRequest(apiVersionsApi, header, {}))
    const longer = Buffer.concat([frame, Buffer.from('more')])
    expect(broker.broker.handle(longer, broker.context())).not.toBeNull()
  })
})

describe('a bug in a handler', () => {
  it('is answered with the unknown error where the answer has a place for it, and logged', async () => {
    await broker.store.createTopic('t')
    broker.store.topic = () => {
      throw new TypeError('a bug')
    }
    const answer = await broker.produce('t', batchOf(['a']))
    expect(answer.errorCode).toBe(-1)
    expect(broker.logger.at('error')[0]!.fields).toMatchObject({ api: 'Produce', apiVersion: 9 })
    const silent = broker.tryAsk(produceApi, 9, {
      acks: 0,
      timeoutMs: 0,
      topicData: [{ name: 't', partitionData: [{ index: 0, records: batchOf(['a']) }] }],
    })
    await expect(silent).rejects.toThrow(RefusedRequestError)
  })

  it.each(servedApis)('has a place in every answer of $api.name', ({ api, fail }) => {
    const names = {
      topicNames: [],
      groupsNames: [],
      coordinatorKeys: [],
      creations: [],
      filters: [],
      entries: [],
      deletions: [],
      upsertions: [],
      transactionalIds: [],
    }
    const asked = { topics: [], topicData: [], resources: [], groups: [], ...names }
    expect(fail({ ...asked } as never, -1)).toBeDefined()
    expect(api.versions.max).toBeGreaterThanOrEqual(0)
  })
})

describe('ListOffsets', () => {
  const timestamps = [100, 300, 200, 300]
  const list = async (timestamp: number, version = 11, fields: object = {}) => {
    const partitions = [{ partitionIndex: 0, timestamp, ...fields }]
    const topics = [{ name: 't', partitions }]
    const request = { replicaId: -1, isolationLevel: 0, topics }
    const answer = await broker.ask(listOffsetsApi, version, {
      ...request,
      ...(version < 2 ? { isolationLevel: 0 } : {}),
    })
    return answer.topics[0]!.partitions[0]!
  }

  beforeEach(async () => {
    await broker.store.createTopic('t')
    await broker.produce('t', batchOf(['a', 'b', 'c', 'd'], { timestamps }))
  })

  it('finds both ends', async () => {
    const { leaderEpoch } = broker.store
    expect(await list(-1)).toMatchObject({ errorCode: 0, offset: 4, timestamp: -1, leaderEpoch })
    expect(await list(-2)).toMatchObject({ errorCode: 0, offset: 0, timestamp: -1 })
    broker.store.topic('t')!.log(0).trim(3)
    expect(await list(-2)).toMatchObject({ offset: 3 })
    expect(await list(-4)).toMatchObject({ offset: 3 })
  })

  it.each([
    [0, 0, 100],
    [100, 0, 100],
    [101, 1, 300],
    [300, 1, 300],
    [301, -1, -1],
    [Number.MAX_SAFE_INTEGER, -1, -1],
  ])('finds the first record at or after %i', async (asked, offset, timestamp) => {
    expect(await list(asked)).toMatchObject({ errorCode: 0, offset, timestamp })
  })

  it('finds the record with the largest time, from v7 on', async () => {
    expect(await list(-3)).toMatchObject({ errorCode: 0, offset: 1, timestamp: 300 })
    expect((await list(-3, 6)).errorCode).toBe(35)
  })

  it('has nothing in a remote tier, and knows no other names', async () => {
    expect(await list(-5)).toMatchObject({ errorCode: 0, offset: -1 })
    expect(await list(-6)).toMatchObject({ errorCode: 0, offset: -1 })
    expect((await list(-6, 10)).errorCode).toBe(35)
    expect((await list(-7)).errorCode).toBe(35)
  })

  it('answers v0 with a list', async () => {
    expect(await list(-1, 0)).toMatchObject({ errorCode: 0, oldStyleOffsets: [4] })
    expect(await list(301, 0)).toMatchObject({ errorCode: 0, oldStyleOffsets: [] })
  })

  it('refuses unknown partitions, duplicates and other leader epochs', async () => {
    const { leaderEpoch } = broker.store
    expect((await list(-1, 11, { partitionIndex: 1 })).errorCode).toBe(3)
    expect((await list(-1, 11, { currentLeaderEpoch: leaderEpoch + 1 })).errorCode).toBe(75)
    const twice = { partitionIndex: 0, timestamp: -1 }
    const answer = await broker.ask(listOffsetsApi, 5, {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name: 't', partitions: [twice, twice] }],
    })
    expect(answer.topics[0]!.partitions.map(({ errorCode }) => errorCode)).toEqual([42, 42])
  })
})

describe('DescribeCluster', () => {
  it('names this broker', async () => {
    const { nodeId, clusterId } = broker.store
    for (const version of [0, 1, 2]) {
      const answer = await broker.ask(describeClusterApi, version, {
        includeClusterAuthorizedOperations: true,
        includeFencedBrokers: false,
      })
      expect(answer).toMatchObject({
        errorCode: 0,
        clusterId,
        controllerId: nodeId,
        brokers: [{ brokerId: nodeId, host: 'log.test', port: 9092, rack: null }],
      })
      expect(answer.clusterAuthorizedOperations).toBeGreaterThan(0)
    }
  })

  it.each([
    [2, 114],
    [3, 115],
  ])('refuses endpoint type %i', async (endpointType, errorCode) => {
    const answer = await broker.ask(describeClusterApi, 1, {
      includeClusterAuthorizedOperations: false,
      includeFencedBrokers: false,
      endpointType,
    })
    expect(answer.errorCode).toBe(errorCode)
  })
})

describe('InitProducerId', () => {
  const ask = (transactionalId: string | null, version = 5) =>
    broker.ask(initProducerIdApi, version, { transactionalId, transactionTimeoutMs: 1000 })

  it('hands every id out once, also over a restart', async () => {
    const ids = [await ask(null, 0), await ask(null, 3), await ask(null)]
    expect(ids.map(({ errorCode, producerEpoch }) => [errorCode, producerEpoch])).toEqual(
      Array(3).fill([0, 0]),
    )
    await broker.stop()
    broker = await BrokerHarness.start({}, broker.disk)
    ids.push(await ask(null))
    expect(new Set(ids.map(({ producerId }) => producerId)).size).toBe(4)
  })

  it('refuses transactional producers', async () => {
    expect((await ask('')).errorCode).toBe(42)
    expect(await ask('tx')).toMatchObject({ errorCode: 53, producerId: -1 })
  })
})

describe('DescribeConfigs', () => {
  const ask = async (
    resourceType: number,
    resourceName: string,
    options: { keys?: string[] | null; version?: number; synonyms?: boolean; docs?: boolean } = {},
  ) => {
    const { keys = null, version = 4, synonyms = false, docs = false } = options
    const resources = [{ resourceType, resourceName, configurationKeys: keys }]
    const request = { resources, includeSynonyms: synonyms, includeDocumentation: docs }
    return (await broker.ask(describeConfigsApi, version, request)).results[0]!
  }

  beforeEach(async () => {
    await broker.store.createTopic('t', { config: { 'retention.ms': '5000' } })
  })

  it('tells all settings of a topic, with type and source', async () => {
    const { errorCode, configs } = await ask(2, 't')
    expect(errorCode).toBe(0)
    const byName = new Map(configs.map((config) => [config.name, config]))
    expect(byName.get('retention.ms')).toEqual({
      name: 'retention.ms',
      value: '5000',
      readOnly: false,
      isDefault: false,
      configSource: 1,
      isSensitive: false,
      synonyms: [],
      configType: 5,
      documentation: null,
    })
    expect(byName.get('cleanup.policy')).toMatchObject({ configSource: 5, configType: 7 })
    expect(byName.size).toBe(configs.length)
  })

  it('tells the settings asked for, or all for an empty list', async () => {
    const names = async (keys: string[]) => (await ask(2, 't', { keys })).configs.map((c) => c.name)
    expect(await names(['segment.bytes', 'no.such'])).toEqual(['segment.bytes'])
    expect((await names([])).length).toBeGreaterThan(10)
  })

  it('tells what stands behind a value, and what it means, when asked', async () => {
    const keys = ['retention.ms']
    const { configs } = await ask(2, 't', { keys, synonyms: true, docs: true })
    expect(configs[0]!.synonyms).toEqual([
      { name: 'retention.ms', value: '5000', source: 1 },
      { name: 'log.retention.ms', value: '604800000', source: 5 },
    ])
    expect(configs[0]!.documentation).toMatch(/age/i)
  })

  it('says in v0 whether a value is the default', async () => {
    const { configs } = await ask(2, 't', { version: 0 })
    const defaults = new Map(configs.map(({ name, isDefault }) => [name, isDefault]))
    expect([defaults.get('retention.ms'), defaults.get('segment.bytes')]).toEqual([false, true])
  })

  it('tells the settings of this broker', async () => {
    const { errorCode, configs } = await ask(4, String(broker.store.nodeId))
    expect(errorCode).toBe(0)
    const values = new Map(configs.map(({ name, value }) => [name, value]))
    expect(values.get('auto.create.topics.enable')).toBe('true')
    expect(values.get('advertised.listeners')).toBe('PLAINTEXT://log.test:9092')
    expect(values.get('log.segment.bytes')).toBe('1073741824')
    expect(new Set(configs.map(({ name }) => name)).size).toBe(configs.length)
    expect((await ask(4, '')).configs).toEqual([])
  })

  it('refuses what it does not know', async () => {
    expect((await ask(2, 'nowhere')).errorCode).toBe(3)
    expect((await ask(4, '99')).errorCode).toBe(42)
    expect((await ask(16, 'x')).errorCode).toBe(42)
  })
})
