// Covers config-change.ts, config-entry.ts and broker-config.ts for brokers, with
// store/topic-defaults.ts under them.
// Goal: what is set for a broker, or for all, is durable, acts at once on every topic that does not
// set it itself, and is shown with all that stands behind it, in Kafka's order.
// Method: whole frames through a broker over a store on the simulated disk, power cuts included;
// the codes of refusals are those of a Kafka 4.2.1.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { alterConfigsApi } from '../../src/broker/api/alter-configs.ts'
import { describeConfigsApi } from '../../src/broker/api/describe-configs.ts'
import { incrementalAlterConfigsApi } from '../../src/broker/api/incremental-alter-configs.ts'
import { LazyTable } from '../../src/broker/lazy-table.ts'
import { BrokerHarness, batchOf } from '../support/broker-harness.ts'

const [set, remove, append, subtract] = [0, 1, 2, 3]
type Change = readonly [name: string, operation: number, value: string | null]

const topicType = 2
const brokerType = 4
const all = ''

let broker: BrokerHarness
let own: string
beforeEach(async () => {
  broker = await BrokerHarness.start()
  own = String(broker.store.nodeId)
  await broker.store.createTopic('t')
})
afterEach(() => broker.stop())

const log = () => broker.store.topic('t')!.log(0)

async function alter(
  resourceName: string,
  changes: readonly Change[],
  { validateOnly = false, version = 1 } = {},
): Promise<number> {
  const configs = changes.map(([name, configOperation, value]) => ({
    name,
    configOperation,
    value,
  }))
  const resources = [{ resourceType: brokerType, resourceName, configs }]
  const request = { resources, validateOnly }
  const answer = await broker.ask(incrementalAlterConfigsApi, version, request)
  return answer.responses[0]!.errorCode
}

async function replace(
  resourceName: string,
  configs: readonly { name: string; value: string | null }[],
): Promise<number> {
  const resources = [{ resourceType: brokerType, resourceName, configs }]
  const answer = await broker.ask(alterConfigsApi, 2, { resources, validateOnly: false })
  return answer.responses[0]!.errorCode
}

async function shown(resourceType: number, resourceName: string, keys: string[] | null = null) {
  const { results } = await broker.ask(describeConfigsApi, 4, {
    resources: [{ resourceType, resourceName, configurationKeys: keys }],
    includeSynonyms: true,
  })
  return results[0]!.configs.map(({ name, value, configSource, readOnly, synonyms }) => ({
    name,
    value,
    configSource,
    readOnly,
    synonyms: synonyms.map((each) => [each.source, each.name, each.value]),
  }))
}

describe('settings of brokers', () => {
  it('are shown with every place that has a value, the most specific first', async () => {
    await broker.stop()
    broker = await BrokerHarness.start({}, broker.disk, undefined, {
      config: { 'retention.ms': '1000' },
    })
    expect(await alter(all, [['log.retention.ms', set, '2000']])).toBe(0)
    expect(await alter(own, [['log.retention.ms', set, '3000']])).toBe(0)
    const places = [
      [2, 'log.retention.ms', '3000'],
      [3, 'log.retention.ms', '2000'],
      [4, 'log.retention.ms', '1000'],
      [5, 'log.retention.ms', '604800000'],
    ]
    expect(await shown(brokerType, own, ['log.retention.ms'])).toEqual([
      {
        name: 'log.retention.ms',
        value: '3000',
        configSource: 2,
        readOnly: false,
        synonyms: places,
      },
    ])
    expect(await shown(topicType, 't', ['retention.ms'])).toEqual([
      { name: 'retention.ms', value: '3000', configSource: 2, readOnly: false, synonyms: places },
    ])
    await broker.store.alterTopicConfig('t', () => ({ 'retention.ms': '9' }))
    expect(await shown(topicType, 't', ['retention.ms'])).toMatchObject([
      { value: '9', configSource: 1, synonyms: [[1, 'retention.ms', '9'], ...places] },
    ])
  })

  it('that all share are alone in what is shown of all', async () => {
    await alter(own, [['log.segment.bytes', set, '4096']])
    expect(await shown(brokerType, all)).toEqual([])
    await alter(all, [
      ['message.max.bytes', set, '5000'],
      ['log.segment.bytes', set, '8192'],
    ])
    const entry = (name: string, value: string) => {
      return { name, value, configSource: 3, readOnly: false, synonyms: [[3, name, value]] }
    }
    expect(await shown(brokerType, all)).toEqual([
      entry('message.max.bytes', '5000'),
      entry('log.segment.bytes', '8192'),
    ])
  })

  it('fall back, place by place, when they are taken away', async () => {
    await alter(all, [['log.flush.interval.messages', set, '20']])
    await alter(own, [['log.flush.interval.messages', set, '30']])
    const effective = () => broker.store.topic('t')!.config.get('flush.messages')
    expect(effective()).toBe('30')
    await alter(own, [['log.flush.interval.messages', remove, null]])
    expect(effective()).toBe('20')
    await alter(all, [['log.flush.interval.messages', remove, null]])
    expect(effective()).toBe('9223372036854775807')
  })

  it('add to lists and take from them, beginning with what is in effect', async () => {
    expect(await alter(own, [['log.cleanup.policy', append, 'compact']])).toBe(0)
    expect(broker.store.topicDefaults.node).toEqual({ 'cleanup.policy': 'delete,compact' })
    expect(await alter(own, [['log.cleanup.policy', subtract, 'delete']])).toBe(0)
    expect(broker.store.topicDefaults.node).toEqual({ 'cleanup.policy': 'compact' })
    const warnings = broker.logger.at('warn').map(({ fields }) => fields['topic'])
    expect(warnings).toEqual(['t', 't'])
  })

  it('are replaced as a whole by AlterConfigs', async () => {
    expect(await replace(own, [{ name: 'log.retention.bytes', value: '10' }])).toBe(0)
    expect(await replace(own, [{ name: 'log.roll.ms', value: '20' }])).toBe(0)
    expect(broker.store.topicDefaults.node).toEqual({ 'segment.ms': '20' })
    expect(await replace(own, [])).toBe(0)
    expect(broker.store.topicDefaults.node).toEqual({})
  })

  it.each<[string, Change[]]>([
    ['what is fixed while a broker runs', [['node.id', set, '2']]],
    ['a setting of groups', [['group.max.size', set, '2']]],
    ['what brokers have no name for', [['no.such', set, '1']]],
    ['the name topics have for it', [['retention.ms', set, '1']]],
    ['another unit of a setting', [['log.retention.hours', set, '1']]],
    ['what is no number', [['log.retention.ms', set, 'soon']]],
    ['a value out of range', [['log.segment.bytes', set, '3']]],
    ['a null value', [['log.retention.ms', set, null]]],
    ['an unknown item of a list', [['log.cleanup.policy', append, 'burn']]],
    [
      'one setting twice',
      [
        ['log.roll.ms', set, '1'],
        ['log.roll.ms', remove, null],
      ],
    ],
  ])('are not changed by a request that has %s', async (_, changes) => {
    for (const name of [own, all]) {
      const good: Change = ['log.retention.bytes', set, '1']
      expect(await alter(name, [good, ...changes])).toBe(42)
      expect(await alter(name, [good, ...changes], { validateOnly: true })).toBe(42)
      expect(await alter(name, [good], { validateOnly: true })).toBe(0)
    }
    expect(broker.store.topicDefaults).toMatchObject({ node: {}, cluster: {} })
  })

  it('are durable when answered, and in effect from the start after a power cut', async () => {
    await alter(own, [['log.segment.bytes', set, '2500']])
    await alter(all, [['log.segment.bytes', set, '3500']])
    await alter(all, [['compression.type', set, 'gzip']])
    const disk = broker.disk.crash()
    await broker.stop()
    broker = await BrokerHarness.start({}, disk)
    expect(broker.store.topicDefaults).toMatchObject({
      node: { 'segment.bytes': '2500' },
      cluster: { 'segment.bytes': '3500', 'compression.type': 'gzip' },
    })
    expect(broker.store.topic('t')!.config.settings).toMatchObject({
      segmentBytes: 2500,
      compression: 'gzip',
    })
  })

  it('lose nothing when several change them, and topics, at the same time', async () => {
    await Promise.all([
      alter(own, [['log.retention.ms', set, '1']]),
      broker.store.alterTopicConfig('t', () => ({ 'segment.ms': '7' })),
      alter(own, [['log.retention.bytes', set, '2']]),
      broker.store.createTopic('u'),
      alter(all, [['log.index.interval.bytes', set, '3']]),
    ])
    expect(broker.store.topicDefaults).toMatchObject({
      node: { 'retention.ms': '1', 'retention.bytes': '2' },
      cluster: { 'index.interval.bytes': '3' },
    })
    for (const name of ['t', 'u']) {
      const { config } = broker.store.topic(name)!
      const values = ['retention.ms', 'retention.bytes', 'index.interval.bytes']
      expect(values.map((value) => config.get(value))).toEqual(['1', '2', '3'])
    }
    expect(broker.store.topic('t')!.config.overrides).toEqual({ 'segment.ms': '7' })
  })
})

describe('a changed setting of brokers', () => {
  it('bounds the segment that is being written, and the next batch', async () => {
    await broker.produce('t', batchOf(['x'.repeat(2000)]))
    await alter(own, [['log.segment.bytes', set, '2500']])
    await broker.produce('t', batchOf(['x'.repeat(2000)]))
    expect(log().segments.count).toBe(2)
    await alter(all, [['message.max.bytes', set, '100']])
    expect((await broker.produce('t', batchOf(['x'.repeat(200)]))).errorCode).toBe(10)
  })

  it('decides what acks=1 waits for', async () => {
    await alter(all, [['stratalog.acks.1.level', set, 'disk']])
    await broker.produce('t', batchOf(['a']), { acks: 1 })
    expect(log().recoveryPoint).toBe(1)
  })

  it('leaves topics alone that set it themselves', async () => {
    await broker.store.alterTopicConfig('t', () => ({ 'max.message.bytes': '1000' }))
    await alter(own, [['message.max.bytes', set, '100']])
    expect((await broker.produce('t', batchOf(['x'.repeat(200)]))).errorCode).toBe(0)
  })
})

describe('settings of Kafka that set nothing here', () => {
  const threads = 'num.io.threads'
  const relogin = 'sasl.kerberos.min.time.before.relogin'

  it('are kept and shown with every place that has a value, and the log says what they are', async () => {
    expect(await alter(own, [[threads, set, '9']])).toBe(0)
    expect(await alter(all, [[threads, set, '10']])).toBe(0)
    const forAll = [3, threads, '10']
    const shownOwn = {
      name: threads,
      value: '9',
      configSource: 2,
      readOnly: false,
      synonyms: [[2, threads, '9'], forAll],
    }
    expect(await shown(brokerType, own, [threads])).toEqual([shownOwn])
    expect(await shown(brokerType, all)).toEqual([
      { name: threads, value: '10', configSource: 3, readOnly: false, synonyms: [forAll] },
    ])
    const said = broker.logger.at('warn').map(({ fields }) => fields['config'])
    expect(said).toEqual([{ [threads]: '9' }, { [threads]: '10' }])
  })

  it('are durable when answered, and told of at the start', async () => {
    await alter(own, [[relogin, set, '58000']])
    const disk = broker.disk.crash()
    await broker.stop()
    broker = await BrokerHarness.start({}, disk)
    expect(await shown(brokerType, own, [relogin])).toMatchObject([{ value: '58000' }])
    const said = broker.logger.at('warn').map(({ fields }) => fields['config'])
    expect(said).toEqual([{ [relogin]: '58000' }])
  })

  it('are changed together with those that act, or not at all', async () => {
    const acting: Change = ['log.retention.ms', set, '1']
    expect(await alter(own, [acting, [threads, set, '0']])).toBe(42)
    expect(await alter(own, [[threads, set, '5'], acting, ['no.such', set, '1']])).toBe(42)
    expect(await alter(own, [[threads, set, '5'], acting], { validateOnly: true })).toBe(0)
    expect(await shown(brokerType, own, [threads])).toEqual([])
    expect(broker.store.topicDefaults.node).toEqual({})
    expect(await alter(own, [[threads, set, '5'], acting])).toBe(0)
    expect(await shown(brokerType, own, [threads])).toMatchObject([{ value: '5' }])
    expect(broker.store.topicDefaults.node).toEqual({ 'retention.ms': '1' })
  })

  it('are taken away, one by one or by AlterConfigs, which replaces all', async () => {
    await alter(own, [
      [threads, set, '5'],
      [relogin, set, '1'],
    ])
    expect(await alter(own, [[threads, remove, null]])).toBe(0)
    expect(await shown(brokerType, own, [threads, relogin])).toMatchObject([{ name: relogin }])
    expect(await replace(own, [{ name: threads, value: '7' }])).toBe(0)
    expect(await shown(brokerType, own, [threads, relogin])).toMatchObject([
      { name: threads, value: '7' },
    ])
    expect(await replace(own, [])).toBe(0)
    expect(await shown(brokerType, own, [threads, relogin])).toEqual([])
  })

  it('take what a Kafka 4.2.1 takes', async () => {
    const factor = 'log.cleaner.io.buffer.load.factor'
    for (const [name, value, code] of [
      [factor, '-1', 0],
      [factor, '1.7976931348623157E308', 0],
      [factor, 'half', 42],
      [relogin, '-1', 0],
      [relogin, '0.5', 42],
      ['log.cleaner.threads', '0', 42],
      ['log.cleaner.dedupe.buffer.size', '1', 42],
      ['leader.replication.throttled.rate', '-1', 42],
      ['leader.replication.throttled.rate', '0', 0],
      ['sasl.kerberos.service.name', '', 0],
    ] as const) {
      expect([name, value, await alter(own, [[name, set, value]])]).toEqual([name, value, code])
    }
  })

  it('of another version are left alone', async () => {
    const table = await LazyTable.open<string>(broker.store, '__stratalog_cluster')
    const foreign = { key: 'broker-config:node:of.tomorrow', value: '1' }
    await table.batch([foreign], { level: 'disk' })
    const disk = broker.disk.crash()
    await broker.stop()
    broker = await BrokerHarness.start({}, disk)
    expect(await alter(own, [[threads, set, '5']])).toBe(0)
    expect(await replace(own, [])).toBe(0)
    expect(await shown(brokerType, own, ['of.tomorrow', threads])).toEqual([])
    const kept = await LazyTable.open<string>(broker.store, '__stratalog_cluster')
    expect(kept.get(foreign.key)).toBe('1')
  })

  it.each<[string, number, Change]>([
    ['a value that is no number', 42, [threads, set, 'many']],
    ['a value out of range', 42, [threads, set, '0']],
    ['null', 42, [threads, set, null]],
    ['an item for what is no list', 40, [threads, append, '1']],
    ['a limit that would not be kept', 42, ['max.connections.per.ip', set, '100']],
    ['a secret', 42, ['ssl.keystore.password', set, 'x']],
  ])('refuse %s', async (_, code, change) => {
    expect(await alter(own, [change])).toBe(code)
    expect(await shown(brokerType, own, [change[0]])).toEqual([])
  })

  it('are refused for all where they belong to one broker', async () => {
    expect(await alter(all, [[relogin, set, '58000']])).toBe(42)
    expect(await alter(own, [[relogin, set, '58000']])).toBe(0)
  })
})

describe('several broker ids', () => {
  it('are one broker: settings are changed for the first of them, or for all', async () => {
    await broker.stop()
    broker = await BrokerHarness.start({ brokerCount: 2 }, broker.disk)
    const second = String(broker.store.nodeId + 1)
    const change: Change[] = [['log.retention.ms', set, '1']]
    expect(await alter(second, change)).toBe(42)
    expect(await alter(own, change)).toBe(0)
    expect(await shown(brokerType, second, ['log.retention.ms'])).toMatchObject([{ value: '1' }])
    expect(await alter(second, [['log.retention.ms', remove, null]])).toBe(0)
    expect(broker.store.topicDefaults.node).toEqual({ 'retention.ms': '1' })
  })
})
