/** Settings as the protocol describes them: value, type, source and what stands behind it. */
import {
  acks1LevelName,
  acksAllLevelName,
  type ConfigEntry,
  type ConfigType,
  type TopicConfig,
} from '../store/topic-config.ts'
import type { BrokerSettings } from './broker-environment.ts'

/** Where a value comes from, most specific first. */
export const configSources = {
  topic: 1,
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

/** The settings of one topic: its own, then what this server was started with, then the default. */
export function describeTopicConfig(
  config: TopicConfig,
  settings: BrokerSettings,
): ConfigDescription[] {
  return config.entries().map((entry) => {
    const { definition, override } = entry
    const { name, type, documentation } = definition
    const behind = brokerSynonyms(entry, settings)
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

/** What a topic gets that does not set it itself, under the names brokers have for it. */
export function brokerSynonyms(entry: ConfigEntry, settings: BrokerSettings): Synonym[] {
  const { definition } = entry
  const started = entry.storeValue ?? serverValue(definition.name, settings)
  const isStarted = started !== undefined && started !== definition.default
  return definition.brokerNames.flatMap((name) => {
    const preset = { name, value: definition.default, source: configSources.default }
    if (!isStarted) return [preset]
    return [{ name, value: started, source: configSources.staticBroker }, preset]
  })
}

/** Levels of `acks` come from the server rather than from the store. */
function serverValue(name: string, { acksLevels }: BrokerSettings): string | undefined {
  if (name === acks1LevelName) return acksLevels[1]
  return name === acksAllLevelName ? acksLevels.all : undefined
}
