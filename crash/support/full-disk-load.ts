/** What a store and its server are asked to do while their disk runs full, and what they may answer. */
import { produceApi } from '../../src/broker/api/produce.ts'
import type { SimRandom } from '../../src/platform/sim-random.ts'
import { errorCodes } from '../../src/protocol/error-codes.ts'
import { type Log, LogError, LogFailedError, StorageError, type Store } from '../../src/public.ts'
import type { LogServer } from '../../src/public-server.ts'
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import { KafkaClient } from '../../test/support/kafka-client.ts'
import { kafkaOf } from './client-load.ts'
import { batchIds, valueFor } from './numbered-value.ts'
import type { TopicLayout } from './read-server.ts'
import { StoreModel } from './store-model.ts'

const batchRecords = 12
const produceVersion = 9
/** A log counts as full after this many refusals in a row: small batches may still find a corner. */
const refusalsInARow = 5
/** No image takes more; without an end this would run for ever on a disk that never gets full. */
const maxFillSteps = 100_000

export class FullDiskLoad {
  readonly layout: TopicLayout = { embedded: 2, wire: 1, later: 1 }
  readonly model = new StoreModel()
  readonly #random: SimRandom
  readonly #faults: string[]
  readonly #numbers = new Map<string, number>()
  #generation = 0
  #newTopics = 0
  /** To be deleted when there is no room. */
  #spent = ''

  constructor(random: SimRandom, faults: string[]) {
    this.#random = random
    this.#faults = faults
  }

  async createTopics(store: Store): Promise<void> {
    for (const [topic, partitions] of Object.entries(this.layout)) {
      await store.createTopic(topic, { partitions })
      this.model.created(topic)
    }
  }

  /** Appends everywhere; there is room, so that any refusal is a fault. */
  async append(store: Store, server: LogServer, rounds: number): Promise<void> {
    const client = await KafkaClient.connect(server.port)
    for (let round = 0; round < rounds; round++) {
      for (const [name, refusal] of await this.#round(store, client)) {
        if (refusal !== undefined) this.#faults.push(`${name} refused with room: ${refusal}`)
      }
    }
    client.close()
  }

  /** What must be possible when the disk is full begins with room: records of the kernel only, a topic. */
  async appendForLater(store: Store): Promise<void> {
    this.#spent = `spent-${this.#newTopics++}`
    await store.createTopic(this.#spent)
    this.model.created(this.#spent)
    await this.#appendTo(await store.log('later'), 'os')
  }

  async flushOld(store: Store): Promise<void> {
    try {
      await (await store.log('later')).flush()
    } catch (error) {
      this.#faults.push(`what was written before cannot be made durable: ${error}`)
    }
  }

  /** Appends until every log refuses. */
  async fill(store: Store, server: LogServer): Promise<void> {
    const client = await KafkaClient.connect(server.port)
    const refusals = new Map<string, number>()
    const areFull = () =>
      refusals.size > 0 && [...refusals.values()].every((count) => count >= refusalsInARow)
    for (let step = 0; !areFull() && this.#faults.length === 0; step++) {
      if (step === maxFillSteps) throw new Error('the disk does not get full')
      for (const [name, refusal] of await this.#round(store, client)) {
        refusals.set(name, refusal === undefined ? 0 : (refusals.get(name) ?? 0) + 1)
      }
    }
    client.close()
  }

  /** One batch to each log, through both doors. @returns per log why it was refused. */
  async #round(store: Store, client: KafkaClient): Promise<Map<string, string | undefined>> {
    const refusals = new Map<string, string | undefined>()
    for (const partition of [0, 1]) {
      const log = await store.log('embedded', { partition })
      const level = this.#random.pick(['os', 'disk'] as const)
      refusals.set(log.name, await this.#appendTo(log, level))
    }
    refusals.set('wire-0', await this.#produce(client, this.#random.pick([1, -1])))
    return refusals
  }

  async #appendTo(log: Log, level: 'os' | 'disk'): Promise<string | undefined> {
    const { source, number } = this.#take(log.name)
    const records = batchIds(source, number, batchRecords).map((id) => ({ value: valueFor(id) }))
    try {
      const { offset, level: reached } = await log.append(records, { level })
      this.model.log(log.name).ack(reached, offset, source, number, batchRecords)
      return undefined
    } catch (error) {
      this.#generation++
      if (!isNoSpace(error)) this.#faults.push(`${log.name} at ${level} rejected with ${error}`)
      return String(error)
    }
  }

  async #produce(client: KafkaClient, acks: number): Promise<string | undefined> {
    const { source, number } = this.#take('wire-0')
    const builder = new BatchBuilder()
    for (const id of batchIds(source, number, batchRecords)) builder.add(valueFor(id), Date.now())
    const answer = await client.ask(produceApi, produceVersion, {
      transactionalId: null,
      acks,
      timeoutMs: 30_000,
      topicData: [{ name: 'wire', partitionData: [{ index: 0, records: builder.finish() }] }],
    })
    const { errorCode, errorMessage, baseOffset } = answer.responses[0]!.partitionResponses[0]!
    if (errorCode === errorCodes.none) {
      const level = acks === 1 ? 'os' : 'disk'
      this.model.log('wire-0').ack(level, baseOffset, source, number, batchRecords)
      return undefined
    }
    this.#generation++
    // Clients take KAFKA_STORAGE_ERROR for one that may pass.
    if (errorCode !== errorCodes.kafkaStorageError || !errorMessage?.includes('ENOSPC')) {
      this.#faults.push(`produce was answered with ${errorCode}: ${errorMessage}`)
    }
    return `${errorCode}`
  }

  #take(log: string): { source: string; number: number } {
    const source = `s${this.#generation}`
    const number = this.#numbers.get(`${source} ${log}`) ?? 0
    this.#numbers.set(`${source} ${log}`, number + batchRecords)
    return { source, number }
  }

  /** Rolls and new topics need files; without room they are refused and harm nothing. */
  async tryNewFiles(store: Store): Promise<void> {
    const log = await store.log('embedded')
    await this.mayLackRoom('roll', async () => log.roll())
    if (log.failure !== undefined) this.#faults.push(`a roll without room: ${log.failure}`)
    const topic = `new-${this.#newTopics++}`
    this.model.creating(topic)
    await this.mayLackRoom('createTopic', async () => {
      await store.createTopic(topic)
      this.model.created(topic)
    })
  }

  /** What frees space has what it needs, however full the disk is. */
  async makeRoom(store: Store): Promise<void> {
    const log = await store.log('embedded')
    const to = this.#random.below(log.endOffset + 1)
    this.model.log(log.name).trimming(to)
    try {
      log.trim(to)
      if (log.startOffset < to) this.#faults.push(`a trim to ${to} ended at ${log.startOffset}`)
      this.model.deleting(this.#spent)
      await store.deleteTopic(this.#spent)
      this.model.deleted(this.#spent)
    } catch (error) {
      this.#faults.push(`a disk without room cannot be emptied: ${error}`)
    }
  }

  /** kafkajs is refused with the error that it may repeat, or finds a last corner. */
  async expectKafkajsRefused(server: LogServer): Promise<void> {
    const producer = kafkaOf(server.port, 0).producer({ retry: { retries: 0 } })
    await producer.connect()
    const { source, number } = this.#take('wire-0')
    const messages = batchIds(source, number, batchRecords).map((id) => ({ value: valueFor(id) }))
    try {
      const [answer] = await producer.send({ topic: 'wire', acks: -1, messages })
      const offset = Number(answer!.baseOffset)
      this.model.log('wire-0').ack('disk', offset, source, number, batchRecords)
    } catch (error) {
      this.#generation++
      const { type, retriable } = (error as { cause?: object }).cause as {
        type?: string
        retriable?: boolean
      }
      if (type !== 'KAFKA_STORAGE_ERROR' || retriable !== true) {
        this.#faults.push(`kafkajs was refused with ${type}, retriable ${retriable}: ${error}`)
      }
    }
    await producer.disconnect()
  }

  /** Runs what may fail for want of room, and for nothing else. */
  async mayLackRoom(name: string, call: () => Promise<unknown>): Promise<void> {
    try {
      await call()
    } catch (error) {
      const cause = error instanceof LogFailedError ? error.cause : error
      if (!(error instanceof LogError) || !isNoSpace(cause)) {
        this.#faults.push(`${name} without room rejected with ${error}`)
      }
    }
  }
}

function isNoSpace(error: unknown): boolean {
  return error instanceof StorageError && error.errno === 'ENOSPC'
}
