/**
 * Settings of one topic, under Kafka's names, and what they mean to its logs.
 *
 * One table says everything: adding a setting is one row. Values are kept as the text they were
 * given in; what a topic does not override is the store's default.
 */
import { InvalidOptionError } from '../base/errors.ts'
import type { DurabilityLevel } from '../base/types.ts'
import { dayMs, gibibyte, hourMs, mebibyte, minuteMs } from '../base/units.ts'
import type { LogSettings } from '../log/log-settings.ts'
import { defaultLogSettings } from '../log/log-settings.ts'
import type { RetentionPolicy } from '../log/retention.ts'
import type { CodecName } from '../record/codec-name.ts'
import {
  type ConfigDefinition,
  type ConfigType,
  configFault,
  listItems,
} from './config-definition.ts'

export type ConfigEntry = {
  readonly definition: ConfigDefinition
  readonly value: string
  /** What the topic sets itself. */
  readonly override: string | undefined
}

/** What answers to produce requests wait for, where a topic or its store says; see Produce. */
export type AcksLevels = {
  readonly 1: DurabilityLevel | undefined
  readonly all: DurabilityLevel | undefined
}

/** Kafka's "never": the largest int64. */
const never = '9223372036854775807'
const maxInt = 0x7fff_ffff

const levels: readonly DurabilityLevel[] = ['memory', 'os', 'disk']
/** Settings Kafka has no name for. */
export const levelName = 'stratalog.level'
export const acks1LevelName = 'stratalog.acks.1.level'
export const acksAllLevelName = 'stratalog.acks.all.level'
/** Settings Kafka has no name for. */
export const retainForName = 'stratalog.retain.for'
export const retainMaxBytesName = 'stratalog.retain.max.bytes'

const definitions: readonly ConfigDefinition[] = [
  list(
    'cleanup.policy',
    'delete',
    ['delete', 'compact'],
    'log.cleanup.policy',
    'What happens to old records.',
  ),
  choice(
    'compression.type',
    'producer',
    ['uncompressed', 'gzip', 'snappy', 'lz4', 'zstd', 'producer'],
    'compression.type',
    'Codec batches are stored in; producer keeps what they came in.',
  ),
  int(
    'compression.gzip.level',
    -1,
    -1,
    9,
    'compression.gzip.level',
    'Level when batches are stored with gzip.',
  ),
  int(
    'compression.lz4.level',
    9,
    1,
    17,
    'compression.lz4.level',
    'Level when batches are stored with lz4.',
  ),
  int(
    'compression.zstd.level',
    3,
    -131072,
    22,
    'compression.zstd.level',
    'Level when batches are stored with zstd.',
  ),
  long(
    'delete.retention.ms',
    dayMs,
    0,
    'log.cleaner.delete.retention.ms',
    'How long tombstones are kept after compaction, in ms.',
  ),
  long(
    'file.delete.delay.ms',
    minuteMs,
    0,
    'log.segment.delete.delay.ms',
    'How long a removed segment stays on disk, in ms.',
  ),
  longText(
    'flush.messages',
    never,
    1,
    'log.flush.interval.messages',
    'Flush after this many records.',
  ),
  longText('flush.ms', never, 0, 'log.flush.interval.ms', 'Flush records older than this, in ms.'),
  int(
    'index.interval.bytes',
    4096,
    0,
    maxInt,
    'log.index.interval.bytes',
    'Bytes of log between two index entries.',
  ),
  longText(
    'max.compaction.lag.ms',
    never,
    1,
    'log.cleaner.max.compaction.lag.ms',
    'Longest time a record stays uncompacted, in ms.',
  ),
  int(
    'max.message.bytes',
    1_048_588,
    0,
    maxInt,
    'message.max.bytes',
    'Largest batch accepted, in bytes.',
  ),
  longText(
    'message.timestamp.after.max.ms',
    never,
    0,
    'log.message.timestamp.after.max.ms',
    'Furthest future timestamp accepted, in ms from now.',
  ),
  longText(
    'message.timestamp.before.max.ms',
    never,
    0,
    'log.message.timestamp.before.max.ms',
    'Oldest timestamp accepted, in ms before now.',
  ),
  choice(
    'message.timestamp.type',
    'CreateTime',
    ['CreateTime', 'LogAppendTime'],
    'log.message.timestamp.type',
    'Whose clock stamps records.',
  ),
  double(
    'min.cleanable.dirty.ratio',
    0.5,
    0,
    1,
    'log.cleaner.min.cleanable.ratio',
    'Part of a log that is uncompacted before compaction begins.',
  ),
  long(
    'min.compaction.lag.ms',
    0,
    0,
    'log.cleaner.min.compaction.lag.ms',
    'Shortest time a record stays uncompacted, in ms.',
  ),
  int(
    'min.insync.replicas',
    1,
    1,
    maxInt,
    'min.insync.replicas',
    'Replicas that must have a record before acks=all is answered; here there is one.',
  ),
  choice(
    'preallocate',
    'false',
    ['true', 'false'],
    'log.preallocate',
    'Reserve the space of a segment when it begins.',
    'boolean',
  ),
  long(
    'retention.bytes',
    -1,
    -1,
    'log.retention.bytes',
    'Size at which old segments are removed; -1 = none.',
  ),
  long(
    'retention.ms',
    7 * dayMs,
    -1,
    'log.retention.ms',
    'Age at which old segments are removed, in ms; -1 = none.',
  ),
  int('segment.bytes', gibibyte, 1024, maxInt, 'log.segment.bytes', 'Size of a segment, in bytes.'),
  int(
    'segment.index.bytes',
    10 * mebibyte,
    24,
    maxInt,
    'log.index.size.max.bytes',
    'Size at which an index is full, in bytes.',
  ),
  long('segment.jitter.ms', 0, 0, 'log.roll.jitter.ms', 'Spread of rolls by time, in ms.'),
  long('segment.ms', 7 * 24 * hourMs, 1, 'log.roll.ms', 'Age at which a segment is sealed, in ms.'),
  {
    ...list(
      retainForName,
      '',
      [],
      retainForName,
      'Named consumers whose unread records old segments are kept for.',
    ),
    itemPattern: /^[a-zA-Z0-9._-]{0,249}$/,
  },
  long(
    retainMaxBytesName,
    10 * gibibyte,
    0,
    retainMaxBytesName,
    'Most bytes of a log kept for named consumers beyond its other limits.',
  ),
  choice(
    levelName,
    'disk',
    levels,
    levelName,
    'What appends of the library wait for unless they say otherwise.',
  ),
  choice(
    acks1LevelName,
    'os',
    levels,
    acks1LevelName,
    'What an answer to a produce request with acks=1 waits for.',
  ),
  choice(
    acksAllLevelName,
    'disk',
    levels,
    acksAllLevelName,
    'What an answer to a produce request with acks=all waits for.',
  ),
  choice(
    'unclean.leader.election.enable',
    'false',
    ['true', 'false'],
    'unclean.leader.election.enable',
    'Has no effect on one node.',
    'boolean',
  ),
]

const definitionsByName = new Map(definitions.map((definition) => [definition.name, definition]))
const definitionsByBrokerName = new Map(
  definitions.flatMap((definition) =>
    definition.brokerNames.map((brokerName) => [brokerName, definition] as const),
  ),
)

export class TopicConfig {
  readonly #overrides: ReadonlyMap<string, string>
  readonly #defaults: ReadonlyMap<string, string>
  readonly settings: LogSettings
  readonly acksLevels: AcksLevels

  /**
   * @param overrides what the topic sets itself; checked here.
   * @param base      settings of the store that have no Kafka name, such as the expiry of producers.
   * @param defaults  what the store sets for topics that do not; checked here too.
   * @throws InvalidOptionError for an unknown name or a value out of range.
   */
  constructor(
    overrides: Readonly<Record<string, string>>,
    base: LogSettings = defaultLogSettings,
    defaults: Readonly<Record<string, string>> = {},
  ) {
    for (const [name, value] of Object.entries(defaults)) checkValue(name, value)
    for (const [name, value] of Object.entries(overrides)) checkValue(name, value)
    this.#overrides = new Map(Object.entries(overrides))
    this.#defaults = new Map(Object.entries(defaults))
    this.settings = this.#settings(base)
    this.acksLevels = { 1: this.#given(acks1LevelName), all: this.#given(acksAllLevelName) }
  }

  get overrides(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#overrides)
  }

  /** The effective value of a known setting. */
  get(name: string): string {
    const definition = definitionsByName.get(name)
    if (definition === undefined) throw unknownName(name)
    return this.#given(name) ?? definition.default
  }

  /** What the topic or its store sets; the names of levels are only given checked values. */
  #given<Value extends string>(name: string): Value | undefined {
    return (this.#overrides.get(name) ?? this.#defaults.get(name)) as Value | undefined
  }

  /** Every setting with its effective value, by name. */
  entries(): ConfigEntry[] {
    return definitions.map((definition) => ({
      definition,
      value: this.get(definition.name),
      override: this.#overrides.get(definition.name),
    }))
  }

  #settings(base: LogSettings): LogSettings {
    const compression = this.get('compression.type')
    return {
      ...base,
      segmentBytes: this.#number('segment.bytes'),
      segmentMs: this.#number('segment.ms'),
      segmentJitterMs: this.#number('segment.jitter.ms'),
      indexIntervalBytes: this.#number('index.interval.bytes'),
      indexBytes: this.#number('segment.index.bytes'),
      maxBatchBytes: this.#number('max.message.bytes'),
      timestampType: this.get('message.timestamp.type') === 'LogAppendTime' ? 'append' : 'create',
      timestampBeforeMaxMs: this.#number('message.timestamp.before.max.ms'),
      timestampAfterMaxMs: this.#number('message.timestamp.after.max.ms'),
      compression:
        compression === 'uncompressed' ? 'none' : (compression as 'producer' | CodecName),
      requiresKeys: listItems(this.get('cleanup.policy')).includes('compact'),
      level: this.get(levelName) as DurabilityLevel,
      retention: this.#retention(),
      deleteDelayMs: this.#number('file.delete.delay.ms'),
      flush: {
        maxUnflushedRecords: infinite(this.#number('flush.messages')),
        maxUnflushedMs: infinite(this.#number('flush.ms')),
      },
    }
  }

  #retention(): RetentionPolicy {
    const policies = this.get('cleanup.policy').split(',')
    const deletes = policies.some((item) => item.trim() === 'delete')
    // A program that embeds a store loses nothing by age unless somebody said so: Kafka's seven days
    // are a server's default, and the server sets them.
    const isAgeSet = this.#overrides.has('retention.ms') || this.#defaults.has('retention.ms')
    const maxAgeMs = deletes && isAgeSet ? this.#number('retention.ms') : -1
    const maxBytes = deletes ? this.#number('retention.bytes') : -1
    const retainFor = this.get(retainForName).split(',')
    return {
      maxAgeMs: maxAgeMs < 0 ? Infinity : infinite(maxAgeMs),
      maxBytes: maxBytes < 0 ? Infinity : infinite(maxBytes),
      retainFor: retainFor.map((name) => name.trim()).filter((name) => name !== ''),
      maxHeldBytes: infinite(this.#number(retainMaxBytesName)),
    }
  }

  #number(name: string): number {
    return Math.min(Number(this.get(name)), Number.MAX_SAFE_INTEGER)
  }
}

function infinite(value: number): number {
  return value === Number.MAX_SAFE_INTEGER ? Infinity : value
}

/** The definition of a topic setting; undefined when there is none of that name. */
export function topicConfigDefinition(name: string): ConfigDefinition | undefined {
  return definitionsByName.get(name)
}

/** The same of the broker setting that gives its default. */
export function brokerConfigDefinition(brokerName: string): ConfigDefinition | undefined {
  return definitionsByBrokerName.get(brokerName)
}

function checkValue(name: string, value: unknown): void {
  const definition = definitionsByName.get(name)
  if (definition === undefined) throw unknownName(name)
  const expected = configFault(definition, value)
  if (expected !== undefined) throw new InvalidOptionError({ option: name, value, expected })
}

function unknownName(name: string): InvalidOptionError {
  const expected = `a topic setting: one of ${definitions.map((known) => known.name).join(', ')}`
  return new InvalidOptionError({ option: 'config', value: name, expected })
}

function int(
  name: string,
  preset: number,
  min: number,
  max: number,
  broker: string,
  documentation: string,
): ConfigDefinition {
  const brokerNames = [broker]
  return { name, type: 'int', default: String(preset), min, max, brokerNames, documentation }
}

function long(
  name: string,
  preset: number,
  min: number,
  broker: string,
  documentation: string,
): ConfigDefinition {
  return longText(name, String(preset), min, broker, documentation)
}

function longText(
  name: string,
  preset: string,
  min: number,
  broker: string,
  documentation: string,
): ConfigDefinition {
  return { name, type: 'long', default: preset, min, brokerNames: [broker], documentation }
}

function double(
  name: string,
  preset: number,
  min: number,
  max: number,
  broker: string,
  documentation: string,
): ConfigDefinition {
  const brokerNames = [broker]
  return { name, type: 'double', default: String(preset), min, max, brokerNames, documentation }
}

function choice(
  name: string,
  preset: string,
  choices: readonly string[],
  broker: string,
  documentation: string,
  type: ConfigType = 'string',
): ConfigDefinition {
  return { name, type, default: preset, choices, brokerNames: [broker], documentation }
}

function list(
  name: string,
  preset: string,
  choices: readonly string[],
  broker: string,
  documentation: string,
): ConfigDefinition {
  return choice(name, preset, choices, broker, documentation, 'list')
}
