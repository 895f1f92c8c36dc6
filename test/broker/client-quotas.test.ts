// Covers client-quotas.ts, api/alter-client-quotas.ts and api/describe-client-quotas.ts.
// Goal: what is set is durable and found by every filter that means it; every fault its error; and
// the log says that nobody is held back.
// Method: whole frames through a broker over a store on the simulated disk, power cuts included.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { alterClientQuotasApi } from '../../src/broker/api/alter-client-quotas.ts'
import { describeClientQuotasApi } from '../../src/broker/api/describe-client-quotas.ts'
import { clusterTopic } from '../../src/store/store-layout.ts'
import { BrokerHarness } from '../support/broker-harness.ts'

type Entity = Record<string, string | null>
type Op = readonly [key: string, value: number | null]
type Component = readonly [entityType: string, matchType: number, match: string | null]

const [exact, unnamed, any] = [0, 1, 2]

let broker: BrokerHarness
beforeEach(async () => {
  broker = await BrokerHarness.start()
})
afterEach(() => broker.stop())

function componentsOf(entity: Entity) {
  return Object.entries(entity).map(([entityType, entityName]) => ({ entityType, entityName }))
}

async function alter(
  entity: Entity,
  ops: readonly Op[],
  { version = 1, validateOnly = false } = {},
): Promise<number> {
  const entry = {
    entity: componentsOf(entity),
    ops: ops.map(([key, value]) => ({ key, value: value ?? 0, remove: value === null })),
  }
  const { entries } = await broker.ask(alterClientQuotasApi, version, {
    entries: [entry],
    validateOnly,
  })
  expect(entries[0]!.entity).toEqual(entry.entity)
  return entries[0]!.errorCode
}

async function find(components: readonly Component[], { version = 1, strict = false } = {}) {
  const answer = await broker.ask(describeClientQuotasApi, version, {
    components: components.map(([entityType, matchType, match]) => ({
      entityType,
      matchType,
      match,
    })),
    strict,
  })
  if (answer.errorCode !== 0) return answer.errorCode
  return answer.entries!.map(({ entity, values }) => [
    Object.fromEntries(entity.map(({ entityType, entityName }) => [entityType, entityName])),
    Object.fromEntries(values.map(({ key, value }) => [key, value])),
  ])
}

describe('quotas of clients', () => {
  it.each([0, 1])('are set, added to, and taken away one by one, in v%i', async (version) => {
    expect(await find([], { version })).toEqual([])
    const entity = { user: 'ann', 'client-id': 'app' }
    expect(await alter(entity, [['producer_byte_rate', 1000]], { version })).toBe(0)
    expect(await alter(entity, [['request_percentage', 12.5]], { version })).toBe(0)
    expect(await find([], { version })).toEqual([
      [entity, { producer_byte_rate: 1000, request_percentage: 12.5 }],
    ])
    const back: Op[] = [
      ['producer_byte_rate', null],
      ['consumer_byte_rate', null],
    ]
    expect(await alter(entity, back, { version })).toBe(0)
    expect(await find([], { version })).toEqual([[entity, { request_percentage: 12.5 }]])
    expect(await alter(entity, [['request_percentage', null]], { version })).toBe(0)
    expect(await find([], { version })).toEqual([])
  })

  it('are found by each component: by name, as the one without, or by any', async () => {
    const entities: Entity[] = [
      { user: 'ann' },
      { user: null },
      { user: 'ann', 'client-id': 'app' },
      { 'client-id': 'app' },
    ]
    for (const entity of entities) await alter(entity, [['consumer_byte_rate', 1]])
    await alter({ ip: '10.0.0.1' }, [['connection_creation_rate', 5]])
    const found = async (components: readonly Component[], strict = false) => {
      const entries = (await find(components, { strict })) as [Entity, unknown][]
      return entries.map(([entity]) => JSON.stringify(entity)).sort()
    }
    const texts = (...list: Entity[]) => list.map((entity) => JSON.stringify(entity)).sort()
    const [ann, others, annsApp, app] = entities as [Entity, Entity, Entity, Entity]
    expect(await found([['user', exact, 'ann']])).toEqual(texts(ann, annsApp))
    expect(await found([['user', exact, 'ann']], true)).toEqual(texts(ann))
    expect(await found([['user', unnamed, null]])).toEqual(texts(others))
    expect(await found([['user', any, null]])).toEqual(texts(ann, others, annsApp))
    expect(await found([['client-id', any, null]], true)).toEqual(texts(app))
    expect(
      await found([
        ['user', exact, 'ann'],
        ['client-id', exact, 'app'],
      ]),
    ).toEqual(texts(annsApp))
    expect(await found([['ip', any, null]])).toEqual(texts({ ip: '10.0.0.1' }))
  })

  it.each<[string, Entity, Op[]]>([
    ['an entity without components', {}, [['producer_byte_rate', 1]]],
    ['an unknown component', { group: 'g' }, [['producer_byte_rate', 1]]],
    ['an empty name', { user: '' }, [['producer_byte_rate', 1]]],
    ['an address beside a user', { user: 'a', ip: '::1' }, [['connection_creation_rate', 1]]],
    ['what is no address', { ip: 'there' }, [['connection_creation_rate', 1]]],
    ['a key there is not', { user: 'a' }, [['speed', 1]]],
    ['a key there is not, to be taken away', { user: 'a' }, [['speed', null]]],
    ['a key of addresses for a user', { user: 'a' }, [['connection_creation_rate', 1]]],
    ['a key of users for an address', { ip: '::1' }, [['producer_byte_rate', 1]]],
    ['nothing at all', { user: 'a' }, [['producer_byte_rate', 0]]],
    ['less than nothing', { user: 'a' }, [['request_percentage', -1]]],
    ['no number', { user: 'a' }, [['request_percentage', Number.NaN]]],
    ['a part of a byte', { user: 'a' }, [['producer_byte_rate', 1.5]]],
    ['too many connections', { ip: '1.2.3.4' }, [['connection_creation_rate', 2 ** 31]]],
  ])('are refused for %s, with all of the entity', async (_, entity, ops) => {
    expect(await alter(entity, [['consumer_byte_rate', 1], ...ops])).toBe(42)
    expect(await find([])).toEqual([])
  })

  it.each<[string, Component[]]>([
    ['an unknown component', [['group', any, null]]],
    [
      'a component twice',
      [
        ['user', exact, 'a'],
        ['user', any, null],
      ],
    ],
    [
      'an address beside a user',
      [
        ['user', any, null],
        ['ip', any, null],
      ],
    ],
    ['no name where it must have one', [['user', exact, null]]],
    ['a name where it must have none', [['user', any, 'a']]],
    ['an unknown kind of match', [['user', 3, null]]],
  ])('are not looked for by %s', async (_, components) => {
    expect(await find(components)).toBe(42)
  })

  it('are only checked when asked so', async () => {
    const validateOnly = true
    expect(await alter({ user: 'a' }, [['producer_byte_rate', 1]], { validateOnly })).toBe(0)
    expect(await alter({ user: 'a' }, [['producer_byte_rate', 0]], { validateOnly })).toBe(42)
    expect(await find([])).toEqual([])
    expect(broker.store.topic(clusterTopic)).toBeUndefined()
  })

  it('lose nothing when several change one entity at the same time', async () => {
    const keys = ['producer_byte_rate', 'consumer_byte_rate', 'request_percentage']
    await Promise.all(keys.map((key, index) => alter({ user: 'a' }, [[key, index + 1]])))
    const values = Object.fromEntries(keys.map((key, index) => [key, index + 1]))
    expect(await find([])).toEqual([[{ user: 'a' }, values]])
  })

  it('are durable when answered, and the log says that nobody is held back', async () => {
    const notices = () =>
      broker.logger.at('warn').filter(({ message }) => message.includes('not enforced')).length
    await alter({ user: 'a' }, [['producer_byte_rate', 7]])
    expect(notices()).toBe(1)
    const disk = broker.disk.crash()
    await broker.stop()
    broker = await BrokerHarness.start({}, disk)
    expect(await find([])).toEqual([[{ user: 'a' }, { producer_byte_rate: 7 }]])
    expect(notices()).toBe(1)
    expect(broker.store.topic(clusterTopic)!.isInternal).toBe(true)
  })
})
