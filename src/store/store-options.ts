/** Options of `openStore`: defaults, units, and the one place where they are checked. */
import { type Clock, systemClock } from '../base/clock.ts'
import { InvalidOptionError } from '../base/errors.ts'
import { poolThreads } from '../base/for-each-limited.ts'
import { type Logger, silentLogger } from '../base/logger.ts'
import {
  functionOption,
  implementationOption,
  integerOption,
  knownOptions,
  oneOfOption,
  stringOption,
} from '../base/option-fields.ts'
import type { DurabilityLevel } from '../base/types.ts'
import { gibibyte, mebibyte, minuteMs } from '../base/units.ts'
import type { FileSystem } from '../platform/file-system.ts'
import { nodeFileSystem } from '../platform/node-file-system.ts'
import type { RetentionWarning } from './store-retention.ts'

/** How far recovery after an unclean stop has come. */
export type RecoveryProgress = {
  /** Log being checked, `<topic>-<partition>`. */
  readonly log: string
  readonly checkedBytes: number
  readonly totalBytes: number
}

/** What recovery after an unclean stop did. */
export type RecoveryReport = {
  /** Bytes written back from the journal. */
  readonly replayedBytes: number
  /** Bytes behind the recovery points, all of which were read and checked. */
  readonly checkedBytes: number
  readonly elapsedMs: number
}

export type StoreOptions = {
  /** Level appends wait for unless they or their topic say otherwise. Default `disk`. */
  readonly level?: DurabilityLevel
  /** Topic settings for topics that do not set them, under Kafka's names: `segment.bytes` … */
  readonly config?: Readonly<Record<string, string>>
  /** Cluster id of a new directory; an existing one must have it. Default: random. */
  readonly clusterId?: string
  /** Node id of a new directory; an existing one must have it. Default 1. */
  readonly nodeId?: number
  /** How often segments are synced and recovery points move, in ms. Default 60,000. */
  readonly checkpointIntervalMs?: number
  /**
   * The same by bytes appended since the last time, which bounds what a start after a crash has to
   * check. Default 536,870,912.
   */
  readonly checkpointBytes?: number
  /**
   * Size of the redo journal, made when appends begin to wait for the disk and removed by a clean
   * stop; 0 = none: then every log syncs a file of its own. Default 33,554,432, or 32,768 for each log
   * that the store has then, when that is more, up to 134,217,728.
   */
  readonly journalBytes?: number
  /**
   * Segment files open at once; they are closed and opened again as they are used, and more than
   * this only while they are sent or flushed. Default: three quarters of what the process may open,
   * at most 16,384; 768 where the system does not tell.
   */
  readonly maxOpenFiles?: number
  /** How often old segments are looked for, in ms. Default 300,000. */
  readonly retentionIntervalMs?: number
  /** Called, once each time, when what is kept for a named consumer comes near its cap. */
  readonly onRetentionWarning?: (warning: RetentionWarning) => void
  /** Called while an unclean stop is recovered from. */
  readonly onRecovery?: (progress: RecoveryProgress) => void
  readonly logger?: Logger
  readonly clock?: Clock
  readonly fileSystem?: FileSystem
  /** Uniform in [0, 1). */
  readonly random?: () => number
}

export type StoreSettings = {
  readonly level: DurabilityLevel
  readonly config: Readonly<Record<string, string>>
  readonly clusterId: string | undefined
  readonly nodeId: number | undefined
  readonly checkpointIntervalMs: number
  readonly checkpointBytes: number
  /** Undefined: by the number of logs. */
  readonly journalBytes: number | undefined
  readonly maxOpenFiles: number
  readonly syncsAtOnce: number
  readonly retentionIntervalMs: number
  readonly onRetentionWarning: (warning: RetentionWarning) => void
  readonly onRecovery: (progress: RecoveryProgress) => void
  readonly logger: Logger
  readonly clock: Clock
  readonly fileSystem: FileSystem
  readonly random: () => number
}

const names: readonly (keyof StoreOptions)[] = [
  'level',
  'config',
  'clusterId',
  'nodeId',
  'checkpointIntervalMs',
  'checkpointBytes',
  'journalBytes',
  'maxOpenFiles',
  'retentionIntervalMs',
  'onRetentionWarning',
  'onRecovery',
  'logger',
  'clock',
  'fileSystem',
  'random',
]

/** A soft limit of 1,024 is the usual one where nobody tells. */
const usualOpenFileLimit = 1024
const mostOpenFiles = 16_384

/** Leaves a quarter of the descriptors to sockets and to whatever else the process opens. */
function defaultOpenFiles(fileSystem: FileSystem): number {
  const limit = fileSystem.maxOpenFiles?.() ?? usualOpenFileLimit
  return Math.max(1, Math.min(Math.floor(limit * 0.75), mostOpenFiles))
}

/** How many logs are synced at once: what serves the file system best, and few where files are few. */
function syncsAtOnceOf(fileSystem: FileSystem, maxOpenFiles: number): number {
  const best = integerOption('fileSystem.syncsAtOnce', fileSystem.syncsAtOnce, {
    default: poolThreads,
    min: 1,
  })
  return Math.min(best, Math.max(poolThreads, Math.floor(maxOpenFiles / 32)))
}

export function checkStoreOptions(options: StoreOptions): StoreSettings {
  knownOptions('openStore', options, names)
  const { config = {}, nodeId } = options
  if (typeof config !== 'object' || config === null) {
    throw new InvalidOptionError({ option: 'config', value: config, expected: 'an object' })
  }
  const fileSystem = implementationOption('fileSystem', options.fileSystem, {
    default: nodeFileSystem,
    methods: ['open', 'lockDirectory'],
  })
  const maxOpenFiles = integerOption('maxOpenFiles', options.maxOpenFiles, {
    default: defaultOpenFiles(fileSystem),
    min: 1,
  })
  return {
    level: oneOfOption('level', options.level, {
      default: 'disk',
      choices: ['memory', 'os', 'disk'],
    }),
    config,
    clusterId: stringOption('clusterId', options.clusterId, { default: undefined }),
    nodeId:
      nodeId === undefined
        ? undefined
        : integerOption('nodeId', nodeId, { default: 1, min: 0, max: 0x7fff_ffff }),
    checkpointIntervalMs: integerOption('checkpointIntervalMs', options.checkpointIntervalMs, {
      default: minuteMs,
      min: 1,
    }),
    checkpointBytes: integerOption('checkpointBytes', options.checkpointBytes, {
      default: 512 * mebibyte,
      min: 1,
    }),
    journalBytes:
      options.journalBytes === undefined
        ? undefined
        : integerOption('journalBytes', options.journalBytes, {
            default: 0,
            min: 0,
            max: gibibyte,
          }),
    maxOpenFiles,
    syncsAtOnce: syncsAtOnceOf(fileSystem, maxOpenFiles),
    retentionIntervalMs: integerOption('retentionIntervalMs', options.retentionIntervalMs, {
      default: 5 * minuteMs,
      min: 1,
    }),
    onRetentionWarning: functionOption(
      'onRetentionWarning',
      options.onRetentionWarning ?? (() => {}),
    ),
    onRecovery: functionOption('onRecovery', options.onRecovery ?? (() => {})),
    logger: implementationOption('logger', options.logger, {
      default: silentLogger,
      methods: ['debug', 'info', 'warn', 'error'],
    }),
    clock: implementationOption('clock', options.clock, {
      default: systemClock,
      methods: ['now', 'elapsedMs', 'after'],
    }),
    fileSystem,
    random: options.random ?? Math.random,
  }
}
