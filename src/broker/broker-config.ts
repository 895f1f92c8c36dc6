/**
 * What this broker answers when asked for its own settings, under Kafka's names. Values are what
 * the server really does, and those of Kafka that were given and set nothing here. These and the
 * defaults of topics can be changed while it runs; all others are fixed.
 */
import { minuteMs } from '../base/units.ts'
import type { ConfigType } from '../store/config-definition.ts'
import type { DefaultsScope } from '../store/topic-defaults.ts'
import type { BrokerEnvironment } from './broker-environment.ts'
import {
  brokerSynonyms,
  type ConfigDescription,
  configSources,
  configTypes,
} from './config-entry.ts'
import type { ListenerContext } from './frame-handler.ts'
import type { GroupSettings } from './groups/group-settings.ts'
import { type IdleDefinition, idleDefinition } from './idle-broker-config.ts'

export function brokerConfig(
  broker: BrokerEnvironment,
  listener: ListenerContext,
  nodeId: number,
): ConfigDescription[] {
  const { settings } = broker
  const self = listener.brokers.find((endpoint) => endpoint.nodeId === nodeId) ?? listener
  const own = [
    fixed('broker.id', 'int', String(nodeId), 'Id of this node.'),
    fixed('node.id', 'int', String(nodeId), 'Id of this node.'),
    fixed('broker.rack', 'string', settings.rack ?? '', 'Where the node stands.'),
    fixed(
      'advertised.listeners',
      'string',
      `${listener.name}://${self.host}:${self.port}`,
      'Where clients are told to connect.',
    ),
    fixed(
      'auto.create.topics.enable',
      'boolean',
      String(settings.autoCreateTopics),
      'Asking for a missing topic creates it.',
    ),
    fixed(
      'num.partitions',
      'int',
      String(settings.defaultPartitions),
      'Partitions of a topic that is created without a number of them.',
    ),
    fixed(
      'default.replication.factor',
      'int',
      String(settings.defaultReplicationFactor),
      'Replicas of a topic that is created without a number of them; they are one copy.',
    ),
    fixed('delete.topic.enable', 'boolean', 'true', 'Topics may be deleted.'),
    fixed('fetch.max.bytes', 'int', String(settings.fetchMaxBytes), 'Most one fetch answers.'),
    fixed(
      'max.incremental.fetch.session.cache.slots',
      'int',
      String(settings.fetchSessionSlots),
      'Incremental fetch sessions kept at a time.',
    ),
    fixed(
      'socket.request.max.bytes',
      'int',
      String(settings.maxRequestBytes),
      'Largest request taken.',
    ),
    fixed(
      'socket.send.buffer.bytes',
      'int',
      String(settings.sendBufferBytes),
      'Bytes of answers the kernel holds per connection; 0: it decides; -1: it does, but for local clients.',
    ),
    fixed(
      'connections.max.idle.ms',
      'long',
      String(settings.idleTimeoutMs),
      'When a connection on which nothing moves is closed.',
    ),
  ]
  return [
    ...own,
    ...groupConfig(settings.groups),
    ...topicDefaults(broker),
    ...idleEntries(broker, ['node', 'cluster']),
  ]
}

function groupConfig(groups: GroupSettings): ConfigDescription[] {
  return [
    fixed(
      'group.initial.rebalance.delay.ms',
      'int',
      String(groups.initialRebalanceDelayMs),
      'How long the first rebalance of an empty group waits for more members.',
    ),
    fixed(
      'group.min.session.timeout.ms',
      'int',
      String(groups.minSessionTimeoutMs),
      'Shortest session timeout a member may ask for.',
    ),
    fixed(
      'group.max.session.timeout.ms',
      'int',
      String(groups.maxSessionTimeoutMs),
      'Longest session timeout a member may ask for.',
    ),
    fixed('group.max.size', 'int', String(groups.maxSize), 'Most members of one group.'),
    fixed(
      'offsets.retention.minutes',
      'int',
      String(Math.ceil(groups.offsetsRetentionMs / minuteMs)),
      'How long offsets of a group without members are kept.',
    ),
    fixed(
      'offset.metadata.max.bytes',
      'int',
      String(groups.offsetMetadataMaxBytes),
      'Bytes of the text that may go with a committed offset.',
    ),
  ]
}

/** Defaults of topic settings, under the names brokers have for them. */
function topicDefaults(broker: BrokerEnvironment): ConfigDescription[] {
  const entries = broker.store.topicConfig().entries()
  return entries.flatMap((entry) => {
    const { type, documentation, brokerNames } = entry.definition
    const places = brokerSynonyms(entry, broker)
    return brokerNames.map((name) => {
      const synonyms = places.filter((place) => place.name === name)
      const { value, source } = synonyms[0]!
      return {
        name,
        value,
        readOnly: false,
        configSource: source,
        configType: configTypes[type],
        documentation,
        synonyms,
      }
    })
  })
}

const sourceOf = {
  node: configSources.dynamicBroker,
  cluster: configSources.dynamicDefaultBroker,
} as const

/** Settings without effect that were given at one of the places; the first place goes first. */
function idleEntries(
  { idleConfig }: BrokerEnvironment,
  scopes: readonly DefaultsScope[],
): ConfigDescription[] {
  const places = scopes.map((scope) => [sourceOf[scope], idleConfig.given(scope)] as const)
  const names = new Set(places.flatMap(([, given]) => Object.keys(given)))
  return [...names].sort().map((name) => {
    const { type, documentation } = idleDefinition(name) as IdleDefinition
    const synonyms = places.flatMap(([source, given]) => {
      const value = given[name]
      return value === undefined ? [] : [{ name, value, source }]
    })
    const { value, source } = synonyms[0]!
    const configType = configTypes[type]
    return {
      name,
      value,
      readOnly: false,
      configSource: source,
      configType,
      documentation,
      synonyms,
    }
  })
}

/** What was given at run time for all brokers. */
export function sharedBrokerConfig(broker: BrokerEnvironment): ConfigDescription[] {
  const { dynamicDefaultBroker } = configSources
  const defaults = topicDefaults(broker).flatMap((config) => {
    const synonyms = config.synonyms.filter(({ source }) => source === dynamicDefaultBroker)
    return synonyms.map(({ value, source }) => ({
      ...config,
      value,
      configSource: source,
      synonyms,
    }))
  })
  return [...defaults, ...idleEntries(broker, ['cluster'])]
}

function fixed(
  name: string,
  type: ConfigType,
  value: string,
  documentation: string,
): ConfigDescription {
  const configSource = configSources.staticBroker
  return {
    name,
    value,
    readOnly: true,
    configSource,
    configType: configTypes[type],
    documentation,
    synonyms: [{ name, value, source: configSource }],
  }
}
