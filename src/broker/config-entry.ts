/** Settings as the protocol describes them: value, type, source and what stands behind it. */
import type { ConfigEntry, ConfigType, TopicConfig } from '../store/topic-config.ts'

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

export type ConfigDescription = {
  readonly name: string
  readonly value: string
  readonly readOnly: boolean
  readonly configSource: number
  readonly configType: number
  readonly documentation: string
  /** Every place that has a value, in order of precedence. */
  readonly synonyms: readonly { name: string; value: string; source: number }[]
}

export function configSourceOf(entry: ConfigEntry): number {
  return entry.isOverride ? configSources.topic : configSources.default
}

export function describeTopicConfig(config: TopicConfig): ConfigDescription[] {
  return config.entries().map((entry) => {
    const { name, type, documentation, brokerNames, default: preset } = entry.definition
    const behind = brokerNames.map((brokerName) => ({
      name: brokerName,
      value: preset,
      source: configSources.default,
    }))
    const own = { name, value: entry.value, source: configSources.topic }
    return {
      name,
      value: entry.value,
      readOnly: false,
      configSource: configSourceOf(entry),
      configType: configTypes[type],
      documentation,
      synonyms: entry.isOverride ? [own, ...behind] : behind,
    }
  })
}
