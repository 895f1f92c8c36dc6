/** The public door of the server: options, their defaults and bounds, and what runs. */
import { type Clock, systemClock } from '../base/clock.ts'
import { ClosedError, InvalidOptionError } from '../base/errors.ts'
import { type Logger, silentLogger } from '../base/logger.ts'
import {
  booleanOption,
  implementationOption,
  integerOption,
  knownOptions,
  oneOfOption,
  stringOption,
} from '../base/option-fields.ts'
import type { DurabilityLevel } from '../base/types.ts'
import { mebibyte, minuteMs } from '../base/units.ts'
import { Broker } from '../broker/broker.ts'
import type { BrokerSettings } from '../broker/broker-environment.ts'
import { Cluster, maxNodeId } from '../broker/cluster.ts'
import {
  defaultGroupSettings,
  type GroupSettings,
  maxOffsetMetadataBytes,
} from '../broker/groups/group-settings.ts'
import { openFileLimit } from '../platform/open-file-limit.ts'
import { Store } from '../store/store.ts'
import { addressOf, checkListeners, type ListenerOptions } from './listeners.ts'
import { maxSendBufferBytes } from './receiving-socket.ts'
import { type KafkaServer, listen, type ServerOptions } from './server.ts'

export type ServeOptions = {
  /** Address to listen on. Default 127.0.0.1: only this machine. */
  readonly host?: string
  /** Default 9092; 0 = any free port, see `LogServer.port`. */
  readonly port?: number
  /** What clients are told to connect to. Default: `host` and the port listened on. */
  readonly advertisedHost?: string
  readonly advertisedPort?: number
  /** Several addresses, each with a name of its own, instead of the four options above. */
  readonly listeners?: readonly ListenerOptions[]
  /**
   * How many brokers clients see: the store's node id and those that follow it, each on a port of
   * its own (the listener's port, the next one …). It is one process and one copy of the data,
   * whatever replication factor topics ask for. Default 1.
   */
  readonly brokers?: number
  /** Where the brokers stand, told to clients as it is. Default: not said. */
  readonly rack?: string
  /** Asking for a missing topic creates it. Default true. */
  readonly autoCreateTopics?: boolean
  /** Partitions of topics created without a number of them. Default 1. */
  readonly defaultPartitions?: number
  /** What answers to produce requests wait for, by their `acks`. Default 1: `os`, all: `disk`. */
  readonly acksLevels?: { readonly 1?: DurabilityLevel; readonly all?: DurabilityLevel }
  /** Replicas of topics created without a number of them, at most `brokers`. Default 1. */
  readonly defaultReplicationFactor?: number
  /** Accept topics that ask for more replicas than there are brokers. Default false. */
  readonly lenientReplicationFactor?: boolean
  /**
   * How long the first rebalance of an empty consumer group waits for more members, in ms. Default
   * 0 (Kafka's is 3000): one consumer starts at once, several that start together rebalance again.
   */
  readonly groupInitialRebalanceDelayMs?: number
  /** Session timeouts that members of groups may ask for, in ms. Default 6,000 to 1,800,000. */
  readonly groupMinSessionTimeoutMs?: number
  readonly groupMaxSessionTimeoutMs?: number
  /** Most members of one group. Default 10,000. */
  readonly groupMaxSize?: number
  /** How long offsets of a group without members are kept, in ms. Default 7 days. */
  readonly offsetsRetentionMs?: number
  /** Bytes of the text that may go with a committed offset. Default 4,096. */
  readonly offsetMetadataMaxBytes?: number
  /** Largest request taken, in bytes. Default 104,857,600. */
  readonly maxRequestBytes?: number
  /** Record bytes one fetch answer may hold. Default 57,671,680. */
  readonly fetchMaxBytes?: number
  /** Incremental fetch sessions kept at a time; 0 declines them. Default 1000. */
  readonly maxFetchSessions?: number
  /**
   * Connections beyond this are closed as they come. Default 10,000; never more than the limit of open
   * files less 64, where the system tells it.
   */
  readonly maxConnections?: number
  /** A connection on which nothing moves for this long is closed, in ms. Default 600,000. */
  readonly idleTimeoutMs?: number
  /** Unanswered requests per connection before it is not read any more. Default 64. */
  readonly maxInFlightRequests?: number
  /** The same in bytes of requests. Default 33,554,432; one request may exceed it. */
  readonly maxInFlightBytes?: number
  /** Bytes of unsent answers per connection before it is not read any more. Default 4,194,304. */
  readonly maxQueuedBytes?: number
  /**
   * Bytes of answers the kernel holds per connection (SO_SNDBUF); they bound what a connection moves in
   * a round trip. 0: the kernel decides. Default −1: it does, but 393,216 for clients on the same
   * machine. Has no effect with the portable binding.
   */
  readonly sendBufferBytes?: number
  readonly logger?: Logger
  readonly clock?: Clock
}

/** One address a server listens on. */
export type BoundListener = {
  readonly name: string
  readonly nodeId: number
  readonly host: string
  readonly port: number
  /** `host:port` */
  readonly address: string
}

export interface LogServer {
  /** Address listened on: that of the first broker on the first listener. */
  readonly host: string
  readonly port: number
  /** `host:port`, for a client's bootstrap list. */
  readonly address: string
  /** The same of every broker on the first listener. */
  readonly addresses: readonly string[]
  /** Every address listened on. */
  readonly listeners: readonly BoundListener[]
  /** Open connections. */
  readonly connectionCount: number
  /**
   * Stops accepting, answers what has begun (what is parked at once) and closes the connections;
   * what is left after `deadlineMs` (default 5000) is cut off. The store stays open. A second call
   * waits for the first.
   */
  close(options?: { readonly deadlineMs?: number }): Promise<void>
}

const levels: readonly DurabilityLevel[] = ['memory', 'os', 'disk']
const maxInt = 0x7fff_ffff

/** Options that describe the one listener. */
const single = ['host', 'port', 'advertisedHost', 'advertisedPort'] as const

const names: readonly (keyof ServeOptions)[] = [
  'host',
  'port',
  'advertisedHost',
  'advertisedPort',
  'listeners',
  'brokers',
  'rack',
  'autoCreateTopics',
  'defaultPartitions',
  'acksLevels',
  'defaultReplicationFactor',
  'lenientReplicationFactor',
  'groupInitialRebalanceDelayMs',
  'groupMinSessionTimeoutMs',
  'groupMaxSessionTimeoutMs',
  'groupMaxSize',
  'offsetsRetentionMs',
  'offsetMetadataMaxBytes',
  'maxRequestBytes',
  'fetchMaxBytes',
  'maxFetchSessions',
  'maxConnections',
  'idleTimeoutMs',
  'maxInFlightRequests',
  'maxInFlightBytes',
  'maxQueuedBytes',
  'sendBufferBytes',
  'logger',
  'clock',
]

/**
 * Serves `store` over TCP until `close`. Close the server before the store.
 *
 * @throws (rejects) InvalidOptionError; ClosedError; ListenError when the address cannot be had;
 *         StoreFormatError, CorruptionError when what is kept of consumer groups cannot be read.
 */
export async function serve(store: Store, options: ServeOptions = {}): Promise<LogServer> {
  if (!(store instanceof Store)) {
    throw new InvalidOptionError({ option: 'store', value: store, expected: 'an open store' })
  }
  if (!store.isOpen) throw new ClosedError(`store ${store.path} is closed`)
  knownOptions('serve', options, names)
  const brokerCount = integerOption('brokers', options.brokers, { default: 1, min: 1, max: 100 })
  const { nodeIds } = new Cluster(checkedNodeId(store, brokerCount), brokerCount)
  const serverOptions = checkServerOptions(options, nodeIds)
  const settings = checkBrokerSettings(options, serverOptions)
  const { clock, logger } = serverOptions
  const broker = new Broker({ store, settings, clock, logger })
  await broker.open()
  const server = await listenWith(broker, serverOptions)
  const listeners = server.endpoints.map(({ listener, nodeId, port }) => {
    const { name, host } = listener
    return { name, nodeId, host, port, address: addressOf(host, port) }
  })
  const first = listeners[0] as BoundListener
  return {
    host: first.host,
    port: first.port,
    address: first.address,
    addresses: listeners.slice(0, brokerCount).map(({ address }) => address),
    listeners,
    get connectionCount() {
      return server.connectionCount
    },
    async close(closeOptions = {}) {
      knownOptions('close', closeOptions, ['deadlineMs'])
      const rule = { default: 5000, min: 0, max: maxInt }
      await server.close({ deadlineMs: integerOption('deadlineMs', closeOptions.deadlineMs, rule) })
      await broker.close()
    },
  }
}

/** The last node needs an id too. */
function checkedNodeId(store: Store, brokerCount: number): number {
  if (store.nodeId + brokerCount - 1 <= maxNodeId) return store.nodeId
  const expected = `no more than leave node ids up to ${maxNodeId} from ${store.nodeId} on`
  throw new InvalidOptionError({ option: 'brokers', value: brokerCount, expected })
}

/** A broker that nobody can reach is closed again. */
async function listenWith(broker: Broker, options: ServerOptions): Promise<KafkaServer> {
  try {
    return await listen(broker, options)
  } catch (error) {
    await broker.close()
    throw error
  }
}

function checkServerOptions(options: ServeOptions, nodeIds: readonly number[]): ServerOptions {
  return {
    listeners: checkListeners(listenersOf(options), nodeIds.length),
    nodeIds,
    maxRequestBytes: integerOption('maxRequestBytes', options.maxRequestBytes, {
      default: 100 * mebibyte,
      min: 1024,
      max: maxInt,
    }),
    maxConnections: connectionsThatFit(
      integerOption('maxConnections', options.maxConnections, {
        default: 10_000,
        min: 1,
        max: 1_000_000,
      }),
    ),
    idleTimeoutMs: integerOption('idleTimeoutMs', options.idleTimeoutMs, {
      default: 10 * minuteMs,
      min: 1,
      max: maxInt,
    }),
    maxInFlightRequests: integerOption('maxInFlightRequests', options.maxInFlightRequests, {
      default: 64,
      min: 1,
      max: 100_000,
    }),
    maxInFlightBytes: integerOption('maxInFlightBytes', options.maxInFlightBytes, {
      default: 32 * mebibyte,
      min: 1,
    }),
    maxQueuedBytes: integerOption('maxQueuedBytes', options.maxQueuedBytes, {
      default: 4 * mebibyte,
      min: 1,
    }),
    sendBufferBytes: integerOption('sendBufferBytes', options.sendBufferBytes, {
      default: -1,
      min: -1,
      max: maxSendBufferBytes,
    }),
    clock: implementationOption('clock', options.clock, {
      default: systemClock,
      methods: ['now', 'elapsedMs', 'after'],
    }),
    logger: implementationOption('logger', options.logger, {
      default: silentLogger,
      methods: ['debug', 'info', 'warn', 'error'],
    }),
  }
}

/**
 * Out of descriptors the kernel's queue is emptied without a word to us: who is refused before that is
 * counted and told of. The store closes files for want of descriptors, but needs some.
 */
function connectionsThatFit(wanted: number): number {
  const limit = openFileLimit() ?? Infinity
  return Math.max(1, Math.min(wanted, limit - descriptorsForTheStore))
}

const descriptorsForTheStore = 64

/** One listener is spelt out in the options themselves, several in a list; not both. */
function listenersOf(options: ServeOptions): readonly ListenerOptions[] {
  const { listeners } = options
  const given = single.filter((name) => options[name] !== undefined)
  if (listeners === undefined) {
    return [Object.fromEntries(given.map((name) => [name, options[name]]))]
  }
  if (given.length === 0) return listeners
  const expected = `it in an item of listeners, because those are given`
  const name = given[0] as (typeof single)[number]
  throw new InvalidOptionError({ option: name, value: options[name], expected })
}

function checkBrokerSettings(options: ServeOptions, server: ServerOptions): BrokerSettings {
  const brokerCount = server.nodeIds.length
  const { acksLevels = {} } = options
  knownOptions('acksLevels', acksLevels, ['1', 'all'])
  return {
    autoCreateTopics: booleanOption('autoCreateTopics', options.autoCreateTopics, {
      default: true,
    }),
    defaultPartitions: integerOption('defaultPartitions', options.defaultPartitions, {
      default: 1,
      min: 1,
      max: 100_000,
    }),
    acksLevels: {
      1: oneOfOption('acksLevels.1', acksLevels[1], { default: 'os', choices: levels }),
      all: oneOfOption('acksLevels.all', acksLevels.all, { default: 'disk', choices: levels }),
    },
    brokerCount,
    rack: stringOption('rack', options.rack, { default: undefined }) ?? null,
    defaultReplicationFactor: integerOption(
      'defaultReplicationFactor',
      options.defaultReplicationFactor,
      { default: 1, min: 1, max: brokerCount },
    ),
    lenientReplicationFactor: booleanOption(
      'lenientReplicationFactor',
      options.lenientReplicationFactor,
      { default: false },
    ),
    fetchMaxBytes: integerOption('fetchMaxBytes', options.fetchMaxBytes, {
      default: 55 * mebibyte,
      min: 1024,
      max: maxInt,
    }),
    fetchSessionSlots: integerOption('maxFetchSessions', options.maxFetchSessions, {
      default: 1000,
      min: 0,
      max: 100_000,
    }),
    maxRequestBytes: server.maxRequestBytes,
    idleTimeoutMs: server.idleTimeoutMs,
    sendBufferBytes: server.sendBufferBytes,
    groups: checkGroupSettings(options),
  }
}

function checkGroupSettings(options: ServeOptions): GroupSettings {
  const defaults = defaultGroupSettings
  const timeout = (name: string, value: number | undefined, preset: number, min: number): number =>
    integerOption(name, value, { default: preset, min, max: maxInt })
  const { groupMinSessionTimeoutMs, groupMaxSessionTimeoutMs } = options
  const minSessionTimeoutMs = timeout(
    'groupMinSessionTimeoutMs',
    groupMinSessionTimeoutMs,
    defaults.minSessionTimeoutMs,
    1,
  )
  return {
    initialRebalanceDelayMs: timeout(
      'groupInitialRebalanceDelayMs',
      options.groupInitialRebalanceDelayMs,
      defaults.initialRebalanceDelayMs,
      0,
    ),
    minSessionTimeoutMs,
    maxSessionTimeoutMs: timeout(
      'groupMaxSessionTimeoutMs',
      groupMaxSessionTimeoutMs,
      Math.max(defaults.maxSessionTimeoutMs, minSessionTimeoutMs),
      minSessionTimeoutMs,
    ),
    maxSize: timeout('groupMaxSize', options.groupMaxSize, defaults.maxSize, 1),
    offsetsRetentionMs: integerOption('offsetsRetentionMs', options.offsetsRetentionMs, {
      default: defaults.offsetsRetentionMs,
      min: 1,
    }),
    offsetMetadataMaxBytes: integerOption(
      'offsetMetadataMaxBytes',
      options.offsetMetadataMaxBytes,
      {
        default: defaults.offsetMetadataMaxBytes,
        min: 0,
        max: maxOffsetMetadataBytes,
      },
    ),
  }
}
