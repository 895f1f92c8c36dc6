/**
 * `stratalog serve`: opens a data directory and serves it until SIGINT or SIGTERM, which lets
 * begun requests finish, flushes, and leaves the marker of a clean stop.
 */
import { resolve } from 'node:path'
import type { Logger } from '../../base/logger.ts'
import { binding, bindingNote } from '../../native/load-binding.ts'
import { type LogServer, serve } from '../../net/serve.ts'
import { openStore, type Store } from '../../store/store.ts'
import { choiceArgument, integerArgument, noPositionals, parseArguments } from '../arguments.ts'
import { operatorLogger } from '../operator-logger.ts'
import { formatBytes, ProgressBar } from '../progress-bar.ts'

export const help = `Usage: stratalog serve [options]

Serves a data directory to any Kafka client until Ctrl-C or SIGTERM.

  --data <dir>               data directory, made when missing        (./data)
  --host <address>           address to listen on                     (127.0.0.1)
  --port <number>            port to listen on, 0 = any free one      (9092)
  --advertised-host <name>   what clients are told to connect to      (the host)
  --advertised-port <number>                                          (the port)
  --no-auto-create-topics    refuse topics that were not created
  --default-partitions <n>   partitions of a created topic            (1)
  --acks-1-level <level>     os or disk: what acks=1 waits for        (os)
  --acks-all-level <level>   os or disk: what acks=all waits for      (disk)
  --log-level <level>        debug, info, warn or error, on stderr    (info)

Exit codes: 0 stopped cleanly, 1 failed (directory in use, not writable, port taken), 2 usage.`

const levels = ['os', 'disk'] as const

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, {
    data: { type: 'string' },
    host: { type: 'string' },
    port: { type: 'string' },
    'advertised-host': { type: 'string' },
    'advertised-port': { type: 'string' },
    'auto-create-topics': { type: 'boolean' },
    'default-partitions': { type: 'string' },
    'acks-1-level': { type: 'string' },
    'acks-all-level': { type: 'string' },
    'log-level': { type: 'string' },
  })
  noPositionals(positionals)
  const port = integerArgument('port', values.port, { default: 9092, min: 0, max: 65_535 })
  const partitionRule = { default: 1, min: 1, max: 100_000 }
  const defaultPartitions = integerArgument(
    'default-partitions',
    values['default-partitions'],
    partitionRule,
  )
  const advertisedPort = integerArgument('advertised-port', values['advertised-port'], {
    default: 0,
    min: 1,
    max: 65_535,
  })
  const level1 = choiceArgument('acks-1-level', values['acks-1-level'], {
    default: 'os',
    choices: levels,
  })
  const levelAll = choiceArgument('acks-all-level', values['acks-all-level'], {
    default: 'disk',
    choices: levels,
  })
  const logLevel = choiceArgument('log-level', values['log-level'], {
    default: 'info',
    choices: ['debug', 'info', 'warn', 'error'],
  })
  const stop = stopSignal()
  const logger = operatorLogger(logLevel)
  const directory = resolve(values.data ?? './data')
  const store = await open(directory, logger)
  let server: LogServer
  try {
    server = await serve(store, {
      host: values.host ?? '127.0.0.1',
      port,
      ...(values['advertised-host'] === undefined
        ? {}
        : { advertisedHost: values['advertised-host'] }),
      ...(advertisedPort === 0 ? {} : { advertisedPort }),
      autoCreateTopics: values['auto-create-topics'] ?? true,
      defaultPartitions,
      acksLevels: { 1: level1, all: levelAll },
      logger,
    })
  } catch (error) {
    await store.close()
    throw error
  }
  announce(server, directory, level1, levelAll)
  const signal = await stop
  logger.info({ signal }, 'stopping')
  await server.close()
  await store.close()
  return 0
}

async function open(directory: string, logger: Logger): Promise<Store> {
  const bar = new ProgressBar('recovering')
  try {
    return await openStore(directory, {
      logger,
      onRecovery: ({ checkedBytes, totalBytes, log }) =>
        bar.update(checkedBytes, totalBytes, `${formatBytes(checkedBytes)} ${log}`),
    })
  } finally {
    bar.end()
  }
}

/** Resolves with the first stop signal. A second one ends the process at once, as asked twice. */
function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal))
  })
}

function announce(server: LogServer, directory: string, level1: string, levelAll: string): void {
  const address = `${server.host.includes(':') ? `[${server.host}]` : server.host}:${server.port}`
  const native = binding.kind === 'addon' ? 'native addon' : `portable binding (${bindingNote})`
  process.stdout.write(`stratalog is listening on ${address}
  data        ${directory}
  durability  acks=all → ${levelAll}, acks=1 → ${level1}
  binding     ${native}
  kcat        printf 'a\\nb\\n' | kcat -P -b ${address} -t test && kcat -C -b ${address} -t test -o beginning -e
  kafkajs     new (require('kafkajs').Kafka)({ brokers: ['${address}'] }).producer()
`)
}
