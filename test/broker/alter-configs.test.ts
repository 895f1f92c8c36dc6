// Covers api/alter-configs.ts, api/incremental-alter-configs.ts, config-change.ts and
// compaction-notice.ts.
// Goal: what is changed is durable, shown and acts on the very next append; every fault its error.
// Method: whole frames through a broker over a store on the simulated disk, restarts included.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { alterConfigsApi } from '../../src/broker/api/alter-configs.ts'
import { createTopicsApi } from '../../src/broker/api/create-topics.ts'
import { describeConfigsApi } from '../../src/broker/api/describe-configs.ts'
import { incrementalAlterConfigsApi } from '../../src/broker/api/incremental-alter-configs.ts'
import { BrokerHarness, batchOf } from '../support/broker-harness.ts'

const [set, remove, append, subtract] = [0, 1, 2, 3]
type Change = readonly [name: string, operation: number, value: string | null]

let broker: BrokerHarness
beforeEach(async () => {
  broker = await BrokerHarness.start()
  await broker.store.createTopic('t')
})
afterEach(() => broker.stop())

const log = () => broker.store.topic('t')!.log(0)
const own = () => broker.store.topic('t')!.config.overrides

const incremental = async (
  changes: readonly Change[],
  options: { type?: number; name?: string; version?: number; validateOnly?: boolean } = {},
) => {
  const { type = 2, name = 't', version = 1, validateOnly = false } = options
  const configs = changes.map(([key, configOperation, value]) => ({
    name: key,
    configOperation,
    value,
  }))
  const resources = [{ resourceType: type, resourceName: name, configs }]
  const answer = await broker.ask(incrementalAlterConfigsApi, version, { resources, validateOnly })
  expect(answer.responses[0]).toMatchObject({ resourceType: type, resourceName: name })
  return answer.responses[0]!.errorCode
}

const replace = async (
  configs: readonly { name: string; value: string | null }[],
  options: { version?: number; validateOnly?: boolean } = {},
) => {
  const { version = 2, validateOnly = false } = options
  const resources = [{ resourceType: 2, resourceName: 't', configs }]
  const answer = await broker.ask(alterConfigsApi, version, { resources, validateOnly })
  return answer.responses[0]!.errorCode
}

describe('AlterConfigs', () => {
  it.each([0, 1, 2])('replaces all that a topic sets, in v%i', async (version) => {
    expect(await replace([{ name: 'retention.ms', value: '1' }], { version })).toBe(0)
    expect(own()).toEqual({ 'retention.ms': '1' })
    expect(await replace([{ name: 'segment.bytes', value: '2048' }], { version })).toBe(0)
    expect(own()).toEqual({ 'segment.bytes': '2048' })
    expect(await replace([], { version })).toBe(0)
    expect(own()).toEqual({})
  })

  it('changes nothing when one of the values is wrong, or when it only checks', async () => {
    const good = { name: 'retention.ms', value: '1' }
    expect(await replace([good, { name: 'segment.bytes', value: '1' }])).toBe(40)
    expect(await replace([good, { name: 'no.such', value: '1' }])).toBe(40)
    expect(await replace([good, { name: 'segment.bytes', value: null }])).toBe(42)
    expect(await replace([good, good])).toBe(42)
    expect(await replace([good], { validateOnly: true })).toBe(0)
    expect(own()).toEqual({})
  })
})

describe('IncrementalAlterConfigs', () => {
  it.each([0, 1])('sets and resets name by name in v%i', async (version) => {
    expect(await incremental([['retention.ms', set, '1']], { version })).toBe(0)
    expect(
      await incremental(
        [
          ['retention.bytes', set, '9'],
          ['segment.ms', remove, null],
        ],
        { version },
      ),
    ).toBe(0)
    expect(own()).toEqual({ 'retention.ms': '1', 'retention.bytes': '9' })
    expect(await incremental([['retention.ms', remove, null]], { version })).toBe(0)
    expect(own()).toEqual({ 'retention.bytes': '9' })
  })

  it('adds to lists and takes from them, beginning with the default', async () => {
    expect(await incremental([['cleanup.policy', append, 'compact']])).toBe(0)
    expect(own()).toEqual({ 'cleanup.policy': 'delete,compact' })
    expect(await incremental([['cleanup.policy', append, 'compact']])).toBe(0)
    expect(own()).toEqual({ 'cleanup.policy': 'delete,compact' })
    expect(await incremental([['cleanup.policy', subtract, 'delete']])).toBe(0)
    expect(own()).toEqual({ 'cleanup.policy': 'compact' })
  })

  it.each<[string, number, Change[]]>([
    ['an unknown setting', 40, [['no.such', set, '1']]],
    ['a value that is no number', 40, [['retention.ms', set, 'soon']]],
    ['a value out of range', 40, [['segment.bytes', set, '13']]],
    ['a list item that is unknown', 40, [['cleanup.policy', append, 'burn']]],
    ['an empty list', 40, [['cleanup.policy', subtract, 'delete']]],
    ['an item for what is no list', 40, [['retention.ms', append, '1']]],
    ['a null value', 42, [['retention.ms', set, null]]],
    ['an unknown operation', 42, [['retention.ms', 4, '1']]],
    [
      'a setting named twice',
      42,
      [
        ['retention.ms', set, '1'],
        ['retention.ms', remove, null],
      ],
    ],
  ])('refuses %s, and with it all changes of the topic', async (_, code, changes) => {
    expect(await incremental([['retention.bytes', set, '1'], ...changes])).toBe(code)
    expect(own()).toEqual({})
  })

  it('only checks when asked to', async () => {
    const validateOnly = true
    expect(await incremental([['retention.ms', set, '1']], { validateOnly })).toBe(0)
    expect(await incremental([['retention.ms', set, '-2']], { validateOnly })).toBe(40)
    expect(own()).toEqual({})
  })

  it('refuses topics, brokers and kinds of resources there are not, and repeated ones', async () => {
    expect(await incremental([], { name: 'nowhere' })).toBe(3)
    expect(await incremental([], { type: 4, name: '99' })).toBe(42)
    expect(await incremental([], { type: 8, name: '1' })).toBe(42)
    const one = { resourceType: 2, resourceName: 't', configs: [] }
    const request = { resources: [one, one], validateOnly: false }
    const { responses } = await broker.ask(incrementalAlterConfigsApi, 1, request)
    expect(responses.map(({ errorCode }) => errorCode)).toEqual([42, 42])
  })

  it('resets what is not set without a word, whether it knows the setting or not', async () => {
    const throttle = 'leader.replication.throttled.replicas'
    expect(
      await incremental([
        ['retention.ms', set, '1'],
        [throttle, remove, null],
        ['segment.ms', remove, null],
      ]),
    ).toBe(0)
    expect(own()).toEqual({ 'retention.ms': '1' })
  })

  it('grants a broker what changes nothing, also of a setting it does not know', async () => {
    const name = String(broker.store.nodeId)
    const rate = 'leader.replication.throttled.rate'
    expect(await incremental([[rate, remove, null]], { type: 4, name })).toBe(0)
    expect(await incremental([[rate, remove, null]], { type: 4, name: '' })).toBe(0)
    expect(await incremental([[rate, remove, null]], { type: 4, name: '99' })).toBe(42)
    expect(await incremental([], { type: 4, name })).toBe(0)
    expect(await incremental([], { type: 4, name: '' })).toBe(0)
  })

  it('loses nothing when several change one topic at the same time', async () => {
    await Promise.all([
      incremental([['retention.ms', set, '1']]),
      incremental([['retention.bytes', set, '2']]),
      incremental([['segment.ms', set, '3']]),
    ])
    expect(own()).toEqual({ 'retention.ms': '1', 'retention.bytes': '2', 'segment.ms': '3' })
  })
})

describe('a changed setting', () => {
  it('is durable and shown as the topic’s own, also after a power cut', async () => {
    await incremental([['retention.ms', set, '5000']])
    const disk = broker.disk.crash()
    await broker.stop()
    broker = await BrokerHarness.start({}, disk)
    const { results } = await broker.ask(describeConfigsApi, 4, {
      resources: [{ resourceType: 2, resourceName: 't', configurationKeys: ['retention.ms'] }],
      includeSynonyms: true,
    })
    expect(results[0]!.configs[0]).toMatchObject({
      value: '5000',
      configSource: 1,
      synonyms: [{ value: '5000', source: 1 }, { source: 5 }],
    })
  })

  it('bounds the segment that is being written', async () => {
    await broker.produce('t', batchOf(['x'.repeat(2000)]))
    await incremental([['segment.bytes', set, '2500']])
    await broker.produce('t', batchOf(['x'.repeat(2000)]))
    expect(log().segments.count).toBe(2)
  })

  it('bounds the next batch', async () => {
    await incremental([['max.message.bytes', set, '100']])
    expect((await broker.produce('t', batchOf(['x'.repeat(200)]))).errorCode).toBe(10)
    await incremental([['max.message.bytes', remove, null]])
    expect((await broker.produce('t', batchOf(['x'.repeat(200)]))).errorCode).toBe(0)
  })

  it('chooses the codec of the next batch', async () => {
    const values = [...'abcdefgh'].map((letter) => letter.repeat(100))
    const codecs: number[] = []
    for (const codec of ['producer', 'gzip', 'uncompressed']) {
      await incremental([['compression.type', set, codec]])
      const { baseOffset } = await broker.produce('t', batchOf(values))
      const { records } = await broker.fetch('t', baseOffset)
      codecs.push(records!.readInt16BE(21) & 7)
    }
    expect(codecs).toEqual([0, 1, 0])
  })

  it('chooses the clock that stamps records, and how far theirs may be off', async () => {
    expect((await broker.produce('t', batchOf(['a']))).logAppendTimeMs).toBe(-1)
    await incremental([['message.timestamp.before.max.ms', set, '1000']])
    expect((await broker.produce('t', batchOf(['a']))).errorCode).toBe(32)
    const ahead = batchOf(['a'], { timestamps: [Date.now() + 3_600_000] })
    expect((await broker.produce('t', Buffer.from(ahead))).errorCode).toBe(0)
    await incremental([['message.timestamp.after.max.ms', set, '1000']])
    expect((await broker.produce('t', Buffer.from(ahead))).errorCode).toBe(32)
    await incremental([['message.timestamp.type', set, 'LogAppendTime']])
    const stamped = await broker.produce('t', batchOf(['a']))
    expect(stamped.errorCode).toBe(0)
    expect(stamped.logAppendTimeMs).toBeGreaterThan(1_600_000_000_000)
  })

  it('has flushes follow it', async () => {
    await broker.produce('t', batchOf(['a']), { acks: 1 })
    await incremental([['flush.ms', set, '3600000']])
    await log().offsets.reached('disk', 1)
    await broker.produce('t', batchOf(['b']), { acks: 1 })
    await new Promise((resolve) => setImmediate(resolve))
    const before = log().recoveryPoint
    // Nothing is appended any more: the new time must not wait for the hour of the old one.
    await incremental([['flush.ms', set, '7200000']])
    await log().offsets.reached('disk', 2)
    expect([before, log().recoveryPoint]).toEqual([1, 2])
  })

  it('decides what acks=1 waits for', async () => {
    await incremental([['stratalog.acks.1.level', set, 'disk']])
    await broker.produce('t', batchOf(['a']), { acks: 1 })
    expect(log().recoveryPoint).toBe(1)
  })
})

describe('cleanup.policy=compact', () => {
  const warnings = () =>
    broker.logger.at('warn').filter(({ message }) => message.includes('compaction is not active'))

  it('is stored and shown, and the log of the server says that it does no more', async () => {
    await incremental([['cleanup.policy', set, 'compact']])
    expect(warnings()).toHaveLength(1)
    expect(warnings()[0]!.fields).toMatchObject({ topic: 't', 'cleanup.policy': 'compact' })
    const resources = [{ resourceType: 2, resourceName: 't', configurationKeys: [] }]
    const { results } = await broker.ask(describeConfigsApi, 1, { resources })
    const { configs } = results[0]!
    expect(configs.find(({ name }) => name === 'cleanup.policy')!.value).toBe('compact')
  })

  it('is said of every such topic at the start, and of a created one', async () => {
    await incremental([['cleanup.policy', set, 'delete, compact']])
    await broker.stop()
    broker = await BrokerHarness.start({}, broker.disk)
    expect(warnings().map(({ fields }) => fields['topic'])).toEqual(['t'])
    const configs = [{ name: 'cleanup.policy', value: 'compact' }]
    const topic = { name: 'c', numPartitions: 1, replicationFactor: 1, assignments: [], configs }
    await broker.ask(createTopicsApi, 7, { topics: [topic] })
    expect(warnings().map(({ fields }) => fields['topic'])).toEqual(['t', 'c'])
  })
})
