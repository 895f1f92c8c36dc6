/**
 * `stratalog serve`: opens a data directory and serves it until SIGINT or SIGTERM, which lets
 * begun requests finish, flushes, and leaves the marker of a clean stop.
 */
import { resolve } from 'node:path'
import { InvalidOptionError } from '../../base/errors.ts'
import type { Logger } from '../../base/logger.ts'
import { dayMs, minuteMs } from '../../base/units.ts'
import { readTextFile } from '../../flush/checkpoint-file.ts'
import { binding, bindingNote } from '../../native/load-binding.ts'
import { addressOf, type ListenerOptions } from '../../net/listeners.ts'
import { type LogServer, type ServeOptions, serve } from '../../net/serve.ts'
import { nodeFileSystem } from '../../platform/node-file-system.ts'
import { makeTemporaryDirectory } from '../../platform/temporary-directory.ts'
import { unsyncedFileSystem } from '../../platform/unsynced-file-system.ts'
import { openStore, type Store } from '../../store/store.ts'
import { integerArgument, noPositionals, parseArguments, UsageError } from '../arguments.ts'
import { type ListenerFlags, listenersOf } from '../listener-settings.ts'
import { operatorLogger } from '../operator-logger.ts'
import { formatBytes, ProgressBar } from '../progress-bar.ts'
import {
  type Assignment,
  type ConfigSource,
  environmentSource,
  fileSource,
  ServerConfig,
} from '../server-config.ts'
import { serverSettings } from '../server-settings.ts'

export const help = `Usage: stratalog serve [options]

Serves a data directory to any Kafka client until Ctrl-C or SIGTERM.

  --data <dir>               data directory, made when missing        (./data)
  --ephemeral                a temporary data directory, never synced and
                             removed at the stop
  --host <address>           address to listen on                     (127.0.0.1)
  --port <number>            port to listen on, 0 = any free one      (9092)
  --advertised-host <name>   what clients are told to connect to      (the host)
  --advertised-port <number>                                          (the port)
  --listeners <list>         several: NAME://host:port,NAME://host:port
  --advertised-listeners <list>
  --brokers <n>              broker ids, each on a port of its own    (1)
                             one process and one copy of the data: this
                             machine's durability, not that of n machines
  --node-id <n>              node id of a new data directory          (1)
  --cluster-id <text>        cluster id of a new data directory       (random)
  --rack <text>              where the brokers stand, told to clients
  --no-auto-create-topics    refuse topics that were not created
  --default-partitions <n>   partitions of a created topic            (1)
  --default-replication-factor <n>                                    (1)
  --lenient-replication-factor
                             accept topics that ask for more replicas than
                             there are brokers
  --acks-1-level <level>     os or disk: what acks=1 waits for        (os)
  --acks-all-level <level>   os or disk: what acks=all waits for      (disk)
  --log-level <level>        debug, info, warn or error, on stderr    (info)

  --config <file>            settings as key=value, under Kafka's names
  --override <key=value>     one such setting; may be given again
  --print-config             print the settings in effect at the start

A setting comes from the command line, else from the environment
(num.partitions is STRATALOG_NUM_PARTITIONS), else from the file, which
STRATALOG_CONFIG may name too. docs/server-config.md lists them all.

Exit codes: 0 stopped cleanly, 1 failed (directory in use, not writable, port taken), 2 usage.`

const maxPort = 65_535

export async function run(args: readonly string[]): Promise<number> {
  const { config, listeners, printsConfig, unknownVariables } = configure(args)
  const stop = stopSignal()
  const logger = operatorLogger(config.required('stratalog.log.level'))
  serveWithoutStdout(logger)
  for (const variable of unknownVariables) {
    logger.warn({ variable }, 'an environment variable names no setting: it is ignored')
  }
  const directory = dataDirectory(config)
  try {
    const store = await open(directory.path, config, logger)
    config.derive('node.id', String(store.nodeId))
    config.derive('cluster.id', store.clusterId)
    if (printsConfig) process.stdout.write(`${config.format()}\n\n`)
    const server = await start(store, config, listeners, logger)
    announce(server, directory.path, config)
    const signal = await stop
    logger.info({ signal }, 'stopping')
    await server.close()
    await store.close()
  } finally {
    directory.remove()
  }
  return 0
}

type Configuration = {
  readonly config: ServerConfig
  readonly listeners: readonly ListenerOptions[]
  readonly printsConfig: boolean
  readonly unknownVariables: readonly string[]
}

/** Flags that are no settings of their own. */
const otherFlags = {
  host: { type: 'string' },
  port: { type: 'string' },
  'advertised-host': { type: 'string' },
  'advertised-port': { type: 'string' },
  config: { type: 'string' },
  override: { type: 'string', multiple: true },
  'print-config': { type: 'boolean' },
} as const

function configure(args: readonly string[]): Configuration {
  const flagged = serverSettings.filter(({ flag }) => flag !== undefined)
  const settingFlags = Object.fromEntries(
    flagged.map(({ flag, kind }) => [
      flag as string,
      { type: kind.is === 'boolean' ? ('boolean' as const) : ('string' as const) },
    ]),
  )
  const { values, positionals } = parseArguments(args, { ...settingFlags, ...otherFlags })
  noPositionals(positionals, 'the data directory goes with --data')
  const assignments = (values.override ?? []).map(overrideOf)
  for (const { name, flag } of flagged) {
    const value = (values as Record<string, string | boolean | undefined>)[flag as string]
    if (value !== undefined) {
      assignments.push({ name, value: String(value), origin: `--${flag}` })
    }
  }
  const listenerFlags: ListenerFlags = {
    host: values.host,
    port: portFlag('port', values.port, 0),
    advertisedHost: values['advertised-host'],
    advertisedPort: portFlag('advertised-port', values['advertised-port'], 1),
  }
  refuseTwoWays(assignments, listenerFlags)
  const environment = environmentSource(process.env)
  const sources: ConfigSource[] = [{ title: 'the command line', assignments }, environment]
  const path = values.config ?? process.env['STRATALOG_CONFIG']
  if (path !== undefined) sources.push(readConfigFile(path))
  const config = new ServerConfig(sources)
  const listeners = settleListeners(config, listenerFlags)
  settleEphemeral(config)
  return {
    config,
    listeners,
    printsConfig: values['print-config'] === true,
    unknownVariables: environment.unknown,
  }
}

function overrideOf(text: string): Assignment {
  const at = text.indexOf('=')
  if (at < 1) throw new UsageError(`--override is ${JSON.stringify(text)}: expected key=value`)
  const name = text.slice(0, at).trim()
  return { name, value: text.slice(at + 1).trim(), origin: `--override ${name}` }
}

function portFlag(flag: string, text: string | undefined, min: number): number | undefined {
  if (text === undefined) return undefined
  return integerArgument(flag, text, { default: min, min, max: maxPort })
}

function refuseTwoWays(assignments: readonly Assignment[], flags: ListenerFlags): void {
  const list = assignments.find(({ name }) => name.endsWith('listeners'))
  const hasFlags = Object.values(flags).some((flag) => flag !== undefined)
  if (list === undefined || !hasFlags) return
  throw new UsageError(`${list.origin} and --host, --port, --advertised-… exclude each other`)
}

function readConfigFile(path: string): ConfigSource {
  const text = readTextFile(nodeFileSystem, resolve(path))
  if (text === undefined) throw new UsageError(`configuration file ${path} is not there`)
  return fileSource(text, path)
}

/** The listeners, which the configuration is told too, so that it prints what is in effect. */
function settleListeners(config: ServerConfig, flags: ListenerFlags): ListenerOptions[] {
  const listeners = listenersOf(config, flags)
  const hasFlags = Object.values(flags).some((flag) => flag !== undefined)
  if (!hasFlags) return listeners
  const title = 'the command line'
  const [{ name, host, port, advertisedHost, advertisedPort }] = listeners as [ListenerOptions]
  config.settle('listeners', `${name}://${addressOf(host as string, port as number)}`, title)
  if (advertisedHost !== undefined || advertisedPort !== undefined) {
    const told = addressOf(advertisedHost ?? (host as string), advertisedPort ?? (port as number))
    config.settle('advertised.listeners', `${name}://${told}`, title)
  }
  return listeners
}

/** What does not outlive the process is not synced, and so must not be called on disk. */
function settleEphemeral(config: ServerConfig): void {
  if (!config.boolean('stratalog.ephemeral')) return
  if (config.isGiven('log.dirs')) {
    const [kept, ephemeral] = [config.originOf('log.dirs'), config.originOf('stratalog.ephemeral')]
    throw new UsageError(`${kept} and ${ephemeral} exclude each other`)
  }
  for (const name of ['stratalog.acks.1.level', 'stratalog.acks.all.level', 'stratalog.level']) {
    if (config.isGiven(name) && config.text(name) === 'disk') {
      throw new UsageError(`${config.originOf(name)} is "disk": ephemeral data is never synced`)
    }
    config.derive(name, 'os')
  }
}

function dataDirectory(config: ServerConfig): { readonly path: string; remove(): void } {
  if (config.boolean('stratalog.ephemeral')) {
    return makeTemporaryDirectory()
  }
  const path = config.required('log.dirs')
  if (path.includes(',')) {
    throw new UsageError(`${config.originOf('log.dirs')} has several: expected one directory`)
  }
  return { path: resolve(path), remove() {} }
}

async function start(
  store: Store,
  config: ServerConfig,
  listeners: readonly ListenerOptions[],
  logger: Logger,
): Promise<LogServer> {
  const integer = (name: string): number => config.integer(name) as number
  const rack = config.text('broker.rack')
  try {
    return await serve(store, {
      listeners,
      brokers: integer('stratalog.brokers'),
      ...(rack === undefined ? {} : { rack }),
      autoCreateTopics: config.boolean('auto.create.topics.enable'),
      defaultPartitions: integer('num.partitions'),
      defaultReplicationFactor: integer('default.replication.factor'),
      lenientReplicationFactor: config.boolean('stratalog.lenient.replication.factor'),
      acksLevels: {
        1: config.required('stratalog.acks.1.level') as 'os' | 'disk',
        all: config.required('stratalog.acks.all.level') as 'os' | 'disk',
      },
      maxRequestBytes: integer('socket.request.max.bytes'),
      fetchMaxBytes: integer('fetch.max.bytes'),
      maxFetchSessions: integer('max.incremental.fetch.session.cache.slots'),
      ...groupOptions(integer),
      maxConnections: integer('max.connections'),
      idleTimeoutMs: integer('connections.max.idle.ms'),
      maxInFlightRequests: integer('stratalog.max.in.flight.requests'),
      maxInFlightBytes: integer('stratalog.max.in.flight.bytes'),
      maxQueuedBytes: integer('stratalog.max.queued.bytes'),
      sendBufferBytes: integer('socket.send.buffer.bytes'),
      logger,
    })
  } catch (error) {
    await store.close()
    // The settings are checked one by one; what is left is how they go together.
    if (error instanceof InvalidOptionError) throw new UsageError(error.message)
    throw error
  }
}

function groupOptions(integer: (name: string) => number): ServeOptions {
  return {
    groupInitialRebalanceDelayMs: integer('group.initial.rebalance.delay.ms'),
    groupMinSessionTimeoutMs: integer('group.min.session.timeout.ms'),
    groupMaxSessionTimeoutMs: integer('group.max.session.timeout.ms'),
    groupMaxSize: integer('group.max.size'),
    offsetsRetentionMs: integer('offsets.retention.minutes') * minuteMs,
    offsetMetadataMaxBytes: integer('offset.metadata.max.bytes'),
  }
}

async function open(directory: string, config: ServerConfig, logger: Logger): Promise<Store> {
  const bar = new ProgressBar('recovering')
  const nodeId = config.integer('node.id')
  const clusterId = config.text('cluster.id')
  try {
    return await openStore(directory, {
      ...(nodeId === undefined ? {} : { nodeId }),
      ...(clusterId === undefined ? {} : { clusterId }),
      // Kafka's default, which a store opened by a program does not have.
      config: { 'retention.ms': String(7 * dayMs), ...config.topicDefaults() },
      ...(config.boolean('stratalog.ephemeral') ? { fileSystem: unsyncedFileSystem } : {}),
      checkpointIntervalMs: config.integer('log.flush.offset.checkpoint.interval.ms') as number,
      logger,
      onRecovery: ({ checkedBytes, totalBytes, log }) =>
        bar.update(checkedBytes, totalBytes, `${formatBytes(checkedBytes)} ${log}`),
    })
  } finally {
    bar.end()
  }
}

/** Nobody has to read the start lines, and a full disk may have no room for them: clients come first. */
function serveWithoutStdout(logger: Logger): void {
  process.stdout.removeAllListeners('error').on('error', (error) => {
    logger.warn({ error: String(error) }, 'the start lines could not be printed')
  })
}

/** Resolves with the first stop signal. A second one ends the process at once, as asked twice. */
function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal))
  })
}

function announce(server: LogServer, directory: string, config: ServerConfig): void {
  const address = addressOf(server.host, server.port)
  const native = binding.kind === 'addon' ? 'native addon' : `portable binding (${bindingNote})`
  const level1 = config.required('stratalog.acks.1.level')
  const levelAll = config.required('stratalog.acks.all.level')
  const isEphemeral = config.boolean('stratalog.ephemeral')
  const others = server.listeners.slice(1).map(
    (bound) => `
  also on     ${bound.address}  ${bound.name}, node ${bound.nodeId}`,
  )
  const count = server.addresses.length
  const brokers =
    count === 1
      ? ''
      : `
  brokers     ${count} node ids in one process over one copy of the data: the durability of
              this one machine, whatever replication factor topics ask for`
  process.stdout.write(`stratalog is listening on ${address}${others.join('')}${brokers}
  data        ${directory}${isEphemeral ? ' (ephemeral: removed at the stop)' : ''}
  durability  acks=all → ${levelAll}, acks=1 → ${level1}
  binding     ${native}
  kcat        printf 'a\\nb\\n' | kcat -P -b ${address} -t test && kcat -C -b ${address} -t test -o beginning -e
  kafkajs     new (require('kafkajs').Kafka)({ brokers: [${server.addresses.map((one) => `'${one}'`).join(', ')}] }).producer()
`)
}
