/**
 * A broker for the tests of an application: real, in this process, on free ports of this machine
 * alone, with its data in a temporary directory that goes when it does.
 *
 * Nothing is synced to disk, whatever level is asked for: nothing outlives the test.
 */
import { knownOptions } from '../base/option-fields.ts'
import { type LogServer, type ServeOptions, serve } from '../net/serve.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/temporary-directory.ts'
import { unsyncedFileSystem } from '../platform/unsynced-file-system.ts'
import { openStore, type Store, type TopicSpec } from '../store/store.ts'
import type { StoreOptions } from '../store/store-options.ts'

export type TestBrokerOptions = Pick<
  ServeOptions,
  | 'brokers'
  | 'autoCreateTopics'
  | 'defaultPartitions'
  | 'defaultReplicationFactor'
  | 'lenientReplicationFactor'
  | 'acksLevels'
  | 'logger'
  | 'clock'
> &
  Pick<StoreOptions, 'config'> & {
    /** Topics to create before it starts: their names, or names with what `createTopic` takes. */
    readonly topics?: readonly string[] | Readonly<Record<string, TopicSpec>>
  }

export interface TestBroker {
  /** The same data from inside this process. */
  readonly store: Store
  readonly port: number
  /** `127.0.0.1:port`, of the first broker. */
  readonly address: string
  /** The same of every broker, for kafkajs and other clients that take a list. */
  readonly brokers: readonly string[]
  /** The same with commas between them, for clients that take one text. */
  readonly bootstrapServers: string
  /**
   * Stops it and removes its data. Connections are closed when the answers under way have left, or
   * cut off after a second. A second call waits for the first.
   */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const names: readonly (keyof TestBrokerOptions)[] = [
  'brokers',
  'autoCreateTopics',
  'defaultPartitions',
  'defaultReplicationFactor',
  'lenientReplicationFactor',
  'acksLevels',
  'logger',
  'clock',
  'config',
  'topics',
]

/** How long answers under way may take to leave at the end. */
const closeDeadlineMs = 1000

/**
 * Starts a broker. With `brokers: 3`, clients see three broker ids, and topics have three replicas
 * unless they say otherwise; it is still one process and one copy.
 *
 * @throws (rejects) InvalidOptionError; StorageError when there is no temporary directory to be had.
 */
export async function testBroker(options: TestBrokerOptions = {}): Promise<TestBroker> {
  knownOptions('testBroker', options, names)
  const directory = makeTemporaryDirectory()
  try {
    const store = await openTestStore(directory, options)
    try {
      return new RunningTestBroker(directory, store, await start(store, options))
    } catch (error) {
      await store.close()
      throw error
    }
  } catch (error) {
    directory.remove()
    throw error
  }
}

function openTestStore(
  { path }: TemporaryDirectory,
  { config, logger, clock }: TestBrokerOptions,
): Promise<Store> {
  return openStore(path, {
    level: 'os',
    fileSystem: unsyncedFileSystem,
    ...(config === undefined ? {} : { config }),
    ...(logger === undefined ? {} : { logger }),
    ...(clock === undefined ? {} : { clock }),
  })
}

async function start(store: Store, options: TestBrokerOptions): Promise<LogServer> {
  const { topics = [], config: _config, ...given } = options
  const defaultReplicationFactor = options.defaultReplicationFactor ?? options.brokers ?? 1
  const specs: [string, TopicSpec][] = isList(topics)
    ? topics.map((name) => [name, {}])
    : Object.entries(topics)
  for (const [name, spec] of specs) {
    await store.createTopic(name, { replicationFactor: defaultReplicationFactor, ...spec })
  }
  return serve(store, {
    acksLevels: { 1: 'os', all: 'os' },
    ...given,
    defaultReplicationFactor,
    port: 0,
  })
}

function isList(topics: NonNullable<TestBrokerOptions['topics']>): topics is readonly string[] {
  return Array.isArray(topics)
}

class RunningTestBroker implements TestBroker {
  readonly store: Store
  readonly port: number
  readonly address: string
  readonly brokers: readonly string[]
  readonly #server: LogServer
  readonly #directory: TemporaryDirectory
  #closing: Promise<void> | undefined

  constructor(directory: TemporaryDirectory, store: Store, server: LogServer) {
    this.#directory = directory
    this.store = store
    this.#server = server
    this.port = server.port
    this.address = server.address
    this.brokers = server.addresses
  }

  get bootstrapServers(): string {
    return this.brokers.join(',')
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    try {
      await this.#server.close({ deadlineMs: closeDeadlineMs })
      await this.store.close()
    } finally {
      this.#directory.remove()
    }
  }
}
