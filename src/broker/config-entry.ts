/** Settings as the protocol describes them: value, type, source and what stands behind it. */
import type { ConfigType } from '../store/config-definition.ts'
import {
  acks1LevelName,
  acksAllLevelName,
  type ConfigEntry,
  type TopicConfig,
} from '../store/topic-config.ts'
import type { BrokerEnvironment } from './broker-environment.ts'

/** Where a value comes from, most specific first. */
export const configSources = {
  topic: 1,
  dynamicBroker: 2,
  dynamicDefaultBroker: 3,
  staticBroker: 4,
  default: 5,
} as const

export const configTypes: Record<ConfigType, number> = {
  boolean: 1,
  string: 2,
  int: 3,
  long: 5,
  double: 6,
  list: 7,
}

type Synonym = { readonly name: string; readonly value: string; readonly source: number }

export type ConfigDescription = {
  readonly name: string
  readonly value: string
  readonly readOnly: boolean
  readonly configSource: number
  readonly configType: number
  readonly documentation: string
  /** Every place that has a value, in order of precedence. */
  readonly synonyms: readonly Synonym[]
}

/** What the defaults of topics come from. */
type DefaultsHost = Pick<BrokerEnvironment, 'store' | 'settings'>

/** The settings of one topic: its own, then what stands behind them. */
export function describeTopicConfig(config: TopicConfig, host: DefaultsHost): ConfigDescription[] {
  return config.entries().map((entry) => {
    const { definition, override } = entry
    const { name, type, documentation } = definition
    const behind = brokerSynonyms(entry, host)
    const own =
      override === undefined ? [] : [{ name, value: override, source: configSources.topic }]
    const synonyms = [...own, ...behind]
    const { value, source } = synonyms[0] as Synonym
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
}

/**
 * What a topic gets that does not set it itself, under the names brokers have for it: what this
 * broker was given at run time, then what all were, then what it was started with, then the default.
 */
export function brokerSynonyms({ definition }: ConfigEntry, host: DefaultsHost): Synonym[] {
  const { store, settings } = host
  const { name: topicName, default: preset } = definition
  const { node, cluster, started } = store.topicDefaults
  const atStart = started[topicName] ?? serverValue(topicName, settings)
  const places: [value: string | undefined, source: number][] = [
    [node[topicName], configSources.dynamicBroker],
    [cluster[topicName], configSources.dynamicDefaultBroker],
    [atStart === preset ? undefined : atStart, configSources.staticBroker],
    [preset, configSources.default],
  ]
  return definition.brokerNames.flatMap((name) =>
    places.flatMap(([value, source]) => (value === undefined ? [] : [{ name, value, source }])),
  )
}

/** Levels of `acks` come from the server rather than from the store. */
function serverValue(
  name: string,
  { acksLevels }: BrokerEnvironment['settings'],
): string | undefined {
  if (name === acks1LevelName) return acksLevels[1]
  return name === acksAllLevelName ? acksLevels.all : undefined
}
