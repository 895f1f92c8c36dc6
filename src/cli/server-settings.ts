/**
 * Every setting of `stratalog serve`: its name in a configuration file (Kafka's where Kafka has
 * one), its flag, its default and what values it takes. One table: adding a setting is one row, and
 * a line in docs/server-config.md.
 */
import { minuteMs } from '../base/units.ts'
import { defaultGroupSettings, maxOffsetMetadataBytes } from '../broker/groups/group-settings.ts'
import { maxSendBufferBytes } from '../net/receiving-socket.ts'
import { TopicConfig } from '../store/topic-config.ts'

export type SettingKind =
  | { readonly is: 'text' }
  | { readonly is: 'boolean' }
  | { readonly is: 'integer'; readonly min: number; readonly max: number }
  | { readonly is: 'choice'; readonly choices: readonly string[] }
  /** Passed to the store as the default of this topic setting, which checks it. */
  | { readonly is: 'topic'; readonly topicName: string }

export type Setting = {
  readonly name: string
  /** Without the dashes. */
  readonly flag?: string
  /** Undefined: not set. */
  readonly default: string | undefined
  readonly kind: SettingKind
}

/** Another name of a setting, with values in a larger unit where `factor` says so. */
export type Alias = { readonly name: string; readonly of: string; readonly factor?: number }

const text: SettingKind = { is: 'text' }
const boolean: SettingKind = { is: 'boolean' }
const maxInt = 0x7fff_ffff
const integer = (min: number, max = maxInt): SettingKind => ({ is: 'integer', min, max })
const choice = (...choices: string[]): SettingKind => ({ is: 'choice', choices })

const own: readonly Setting[] = [
  { name: 'log.dirs', flag: 'data', default: './data', kind: text },
  { name: 'listeners', flag: 'listeners', default: 'PLAINTEXT://127.0.0.1:9092', kind: text },
  {
    name: 'advertised.listeners',
    flag: 'advertised-listeners',
    default: undefined,
    kind: text,
  },
  { name: 'listener.security.protocol.map', default: undefined, kind: text },
  { name: 'node.id', flag: 'node-id', default: undefined, kind: integer(0) },
  { name: 'cluster.id', flag: 'cluster-id', default: undefined, kind: text },
  { name: 'broker.rack', flag: 'rack', default: undefined, kind: text },
  { name: 'stratalog.brokers', flag: 'brokers', default: '1', kind: integer(1, 100) },
  {
    name: 'auto.create.topics.enable',
    flag: 'auto-create-topics',
    default: 'true',
    kind: boolean,
  },
  { name: 'num.partitions', flag: 'default-partitions', default: '1', kind: integer(1, 100_000) },
  {
    name: 'default.replication.factor',
    flag: 'default-replication-factor',
    default: '1',
    kind: integer(1, 100),
  },
  {
    name: 'stratalog.lenient.replication.factor',
    flag: 'lenient-replication-factor',
    default: 'false',
    kind: boolean,
  },
  {
    name: 'stratalog.acks.1.level',
    flag: 'acks-1-level',
    default: 'os',
    kind: choice('os', 'disk'),
  },
  {
    name: 'stratalog.acks.all.level',
    flag: 'acks-all-level',
    default: 'disk',
    kind: choice('os', 'disk'),
  },
  { name: 'stratalog.ephemeral', flag: 'ephemeral', default: 'false', kind: boolean },
  {
    name: 'stratalog.log.level',
    flag: 'log-level',
    default: 'info',
    kind: choice('debug', 'info', 'warn', 'error'),
  },
  { name: 'socket.request.max.bytes', default: '104857600', kind: integer(1024) },
  { name: 'fetch.max.bytes', default: '57671680', kind: integer(1024) },
  {
    name: 'max.incremental.fetch.session.cache.slots',
    default: '1000',
    kind: integer(0, 100_000),
  },
  {
    name: 'group.initial.rebalance.delay.ms',
    default: String(defaultGroupSettings.initialRebalanceDelayMs),
    kind: integer(0),
  },
  {
    name: 'group.min.session.timeout.ms',
    default: String(defaultGroupSettings.minSessionTimeoutMs),
    kind: integer(1),
  },
  {
    name: 'group.max.session.timeout.ms',
    default: String(defaultGroupSettings.maxSessionTimeoutMs),
    kind: integer(1),
  },
  { name: 'group.max.size', default: String(defaultGroupSettings.maxSize), kind: integer(1) },
  {
    name: 'offsets.retention.minutes',
    default: String(defaultGroupSettings.offsetsRetentionMs / minuteMs),
    kind: integer(1),
  },
  {
    name: 'offset.metadata.max.bytes',
    default: String(defaultGroupSettings.offsetMetadataMaxBytes),
    kind: integer(0, maxOffsetMetadataBytes),
  },
  { name: 'max.connections', default: '10000', kind: integer(1, 1_000_000) },
  { name: 'connections.max.idle.ms', default: '600000', kind: integer(1) },
  { name: 'socket.send.buffer.bytes', default: '-1', kind: integer(-1, maxSendBufferBytes) },
  { name: 'stratalog.max.in.flight.requests', default: '64', kind: integer(1, 100_000) },
  { name: 'stratalog.max.in.flight.bytes', default: '33554432', kind: integer(1) },
  { name: 'stratalog.max.queued.bytes', default: '4194304', kind: integer(1) },
  { name: 'log.flush.offset.checkpoint.interval.ms', default: '60000', kind: integer(1) },
]

/** What topics get that do not set it themselves, under the names brokers have for it. */
const topicDefaults: readonly Setting[] = new TopicConfig({}).entries().flatMap(({ definition }) =>
  definition.brokerNames
    .filter((name) => own.every((setting) => setting.name !== name))
    .map((name) => ({
      name,
      default: definition.default,
      kind: { is: 'topic' as const, topicName: definition.name },
    })),
)

export const serverSettings: readonly Setting[] = [...own, ...topicDefaults]

const hourMs = 3_600_000

export const settingAliases: readonly Alias[] = [
  { name: 'log.dir', of: 'log.dirs' },
  { name: 'broker.id', of: 'node.id' },
  { name: 'log.retention.minutes', of: 'log.retention.ms', factor: 60_000 },
  { name: 'log.retention.hours', of: 'log.retention.ms', factor: hourMs },
  { name: 'log.roll.hours', of: 'log.roll.ms', factor: hourMs },
  { name: 'log.roll.jitter.hours', of: 'log.roll.jitter.ms', factor: hourMs },
]

/** `num.partitions` → STRATALOG_NUM_PARTITIONS, `stratalog.brokers` → STRATALOG_BROKERS. */
export function environmentName(name: string): string {
  const own = name.startsWith('stratalog.') ? name.slice('stratalog.'.length) : name
  return `STRATALOG_${own.toUpperCase().replaceAll('.', '_')}`
}
