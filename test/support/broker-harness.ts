/**
 * A broker over a store on a simulated disk, spoken to in whole frames as a connection would: what
 * a test asks is written by the schema, decoded by the broker, answered, and read back.
 */
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { fetchApi } from '../../src/broker/api/fetch.ts'
import { produceApi } from '../../src/broker/api/produce.ts'
import { Broker } from '../../src/broker/broker.ts'
import type { BrokerSettings } from '../../src/broker/broker-environment.ts'
import { type ConnectionContext, isPending } from '../../src/broker/frame-handler.ts'
import { defaultGroupSettings } from '../../src/broker/groups/group-settings.ts'
import { releaseFrame } from '../../src/net/response-writer.ts'
import { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import {
  type Api,
  type RequestInputOf,
  type ResponseOf,
  readResponse,
  writeRequest,
} from '../../src/protocol/api.ts'
import { BatchBuilder, type ProducerFields } from '../../src/record/batch-builder.ts'
import type { CodecName } from '../../src/record/codec-name.ts'
import { RecordCursor } from '../../src/record/record-cursor.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import type { StoreOptions } from '../../src/store/store-options.ts'
import { RecordingLogger } from './recording-logger.ts'
import { frameBytes } from './wire-frame.ts'

export const testSettings: BrokerSettings = {
  autoCreateTopics: true,
  defaultPartitions: 1,
  acksLevels: { 1: 'os', all: 'disk' },
  brokerCount: 1,
  rack: null,
  defaultReplicationFactor: 1,
  lenientReplicationFactor: false,
  fetchMaxBytes: 55 * 1024 * 1024,
  fetchSessionSlots: 1000,
  maxRequestBytes: 104_857_600,
  idleTimeoutMs: 600_000,
  sendBufferBytes: -1,
  groups: defaultGroupSettings,
}

export class BrokerHarness {
  readonly disk: SimFileSystem
  readonly store: Store
  readonly broker: Broker
  readonly logger: RecordingLogger
  readonly abort: AbortController = new AbortController()
  readonly #brokerCount: number
  clientId: string | null = 'test'
  /** Which of the nodes is asked: its place among them. */
  node = 0

  static async start(
    settings: Partial<BrokerSettings> = {},
    disk: SimFileSystem = new SimFileSystem({ seed: 1, directories: ['/data'] }),
    clock: Clock = systemClock,
    storeOptions: StoreOptions = {},
  ): Promise<BrokerHarness> {
    const store = await openStore('/data', { fileSystem: disk, ...storeOptions })
    const harness = new BrokerHarness(disk, store, { ...testSettings, ...settings }, clock)
    await harness.broker.open()
    return harness
  }

  private constructor(disk: SimFileSystem, store: Store, settings: BrokerSettings, clock: Clock) {
    this.disk = disk
    this.store = store
    this.#brokerCount = settings.brokerCount
    this.logger = new RecordingLogger()
    this.broker = new Broker({ store, settings, clock, logger: this.logger })
  }

  /** Rejects with RefusedRequestError where a connection would be closed. */
  async ask<A extends Api>(
    api: A,
    version: number,
    body: RequestInputOf<A>,
  ): Promise<ResponseOf<A>> {
    const answer = await this.tryAsk(api, version, body)
    if (answer === null) throw new Error(`${api.name} was not answered`)
    return answer
  }

  /** The same, with null for a request that gets no answer. */
  async tryAsk<A extends Api>(
    api: A,
    version: number,
    body: RequestInputOf<A>,
  ): Promise<ResponseOf<A> | null> {
    const header = { apiVersion: version, correlationId: 7, clientId: this.clientId }
    const request = frameBytes(writeRequest(api, header, body))
    const outcome = this.broker.handle(request, this.context())
    const answer = isPending(outcome) ? await outcome.answer : outcome
    if (answer === null) return null
    const bytes = frameBytes(answer)
    releaseFrame(answer)
    return readResponse(api, version, bytes).body
  }

  context(): ConnectionContext {
    const brokers = Array.from({ length: this.#brokerCount }, (_, i) => ({
      nodeId: this.store.nodeId + i,
      host: 'log.test',
      port: 9092 + i,
    }))
    const listener = { name: 'PLAINTEXT', ...brokers[this.node]!, brokers }
    return { listener, peer: '127.0.0.1:1', signal: this.abort.signal }
  }

  /** Produces one batch to one partition and gives that partition's answer. */
  async produce(
    topic: string,
    records: Buffer | null,
    options: { version?: number; acks?: number; partition?: number } = {},
  ) {
    const { version = 9, acks = -1, partition: index = 0 } = options
    const response = await this.ask(produceApi, version, {
      acks,
      timeoutMs: 30_000,
      topicData: [{ name: topic, partitionData: [{ index, records }] }],
    })
    return response.responses[0]!.partitionResponses[0]!
  }

  /** Fetches one partition, without waiting unless told so. */
  async fetch(
    topic: string,
    fetchOffset: number,
    options: {
      version?: number
      maxWaitMs?: number
      minBytes?: number
      maxBytes?: number
      partitionMaxBytes?: number
      isolationLevel?: number
      currentLeaderEpoch?: number
      lastFetchedEpoch?: number
    } = {},
  ) {
    const { version = 12, maxWaitMs = 0, minBytes = 1, maxBytes = 0x7fff_ffff } = options
    const { partitionMaxBytes = 1_048_576, isolationLevel = 0 } = options
    const { currentLeaderEpoch = -1, lastFetchedEpoch = -1 } = options
    const asked = { partition: 0, fetchOffset, partitionMaxBytes }
    const epochs = { currentLeaderEpoch, lastFetchedEpoch }
    const response = await this.ask(fetchApi, version, {
      maxWaitMs,
      minBytes,
      maxBytes,
      isolationLevel,
      topics: [{ topic, partitions: [{ ...asked, ...epochs }] }],
      forgottenTopicsData: [],
    })
    return response.responses[0]!.partitions[0]!
  }

  async stop(): Promise<void> {
    this.abort.abort()
    await this.broker.close()
    await this.store.close()
  }
}

/** One batch of these values, as a producer would send it. */
export function batchOf(
  values: readonly string[],
  options: { codec?: CodecName; producer?: ProducerFields; timestamps?: readonly number[] } = {},
): Buffer {
  const builder = new BatchBuilder({ codec: options.codec ?? 'none' })
  values.forEach((value, i) => {
    builder.add({ key: `k${i}`, value, timestamp: options.timestamps?.[i] ?? 1_000 + i }, 0)
  })
  if (options.producer !== undefined) builder.setProducer(options.producer)
  return Buffer.from(builder.finish())
}

/** Every record of whole batches, one after the other. */
export function recordsOf(bytes: Buffer): { offset: number; value: string }[] {
  const found: { offset: number; value: string }[] = []
  for (let at = 0; at < bytes.length; ) {
    const cursor = new RecordCursor().open(bytes, at)
    while (cursor.next()) {
      found.push({ offset: cursor.offset, value: String(cursor.value()) })
    }
    at += 12 + bytes.readInt32BE(at + 8)
  }
  return found
}
