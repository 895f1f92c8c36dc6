/**
 * Produce and Fetch against a server, by frames that were encoded beforehand: one topic of several
 * partitions, batches that are all alike, so that the length of an answer tells how many there are.
 */
import { createTopicsApi } from '../../src/broker/api/create-topics.ts'
import { fetchApi } from '../../src/broker/api/fetch.ts'
import { produceApi } from '../../src/broker/api/produce.ts'
import { type Api, type RequestInputOf, writeRequest } from '../../src/protocol/api.ts'
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import { seededValues } from '../support/seeded.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { type Latency, latencyOf } from '../support/statistics.ts'
import { Replayer } from './replayer.ts'

export type WireLoad = {
  readonly valueBytes: number
  readonly batchRecords: number
  readonly partitions: number
  /** Batches of one pass, a multiple of `partitions`. */
  readonly batches: number
  /** Produce requests under way. */
  readonly produceInFlight: number
  /** Most record bytes of a fetch answer; fetches under way. */
  readonly fetchBytes: number
  readonly fetchInFlight: number
  readonly latencySamples: number
}

export type WireRate = {
  readonly recordsPerSecond: number
  readonly mbPerSecond: number
  readonly cpuSecondsPerGb: number
}

export type WireMeasures = {
  readonly produceOs: WireRate
  readonly produceDisk: WireRate
  readonly fetch: WireRate
  readonly produceOsLatency: Latency
  readonly produceDiskLatency: Latency
  readonly fetchLatency: Latency
  readonly residentMb: number
}

/** The last ones before the flexible encodings: every field of an answer has a fixed place. */
const produceVersion = 8
const fetchVersion = 11
const topic = 'wire-load'
const acksOf = { os: 1, disk: -1 } as const

/** What one server does with the load, after a pass that is not counted. */
export async function measureWire(server: ServerProcess, load: WireLoad): Promise<WireMeasures> {
  const session = new WireSession(server, load, await Replayer.connect(server.port))
  try {
    await session.createTopic()
    await session.produceAll('os')
    const produceOs = await session.produceAll('os')
    const produceDisk = await session.produceAll('disk')
    await session.fetchAll()
    const fetch = await session.fetchAll()
    return {
      produceOs,
      produceDisk,
      fetch,
      produceOsLatency: await session.produceSingly('os'),
      produceDiskLatency: await session.produceSingly('disk'),
      fetchLatency: await session.fetchSingly(),
      residentMb: (server.residentKib() * 1024) / 1e6,
    }
  } finally {
    session.close()
  }
}

export class WireSession {
  readonly #server: ServerProcess
  readonly #load: WireLoad
  readonly #replayer: Replayer
  readonly #batch: Buffer
  /** Batches appended to each partition. */
  #appended = 0

  /** @param appended what an earlier session appended to each partition. */
  constructor(server: ServerProcess, load: WireLoad, replayer: Replayer, appended = 0) {
    this.#server = server
    this.#load = load
    this.#replayer = replayer
    this.#batch = batchOf(load.batchRecords, load.valueBytes)
    this.#appended = appended
  }

  close(): void {
    this.#replayer.close()
  }

  async createTopic(): Promise<void> {
    const { partitions: numPartitions } = this.#load
    const frame = frameOf(createTopicsApi, 4, {
      topics: [{ name: topic, numPartitions, replicationFactor: 1, assignments: [], configs: [] }],
    })
    // Prefix, correlation id, throttle time, a topic: its name, then the error code.
    const errorCodeAt = 4 + 4 + 4 + 4 + (2 + topic.length)
    await this.#replayer.run({
      count: 1,
      inFlight: 1,
      request: () => frame,
      headBytes: errorCodeAt + 2,
      onAnswer: (_, head) => {
        const errorCode = head.readInt16BE(errorCodeAt)
        if (errorCode !== 0) throw new Error(`the topic was not created: error ${errorCode}`)
      },
    })
  }

  /** One pass: every batch acknowledged at `level`, in order, none missing. */
  async produceAll(level: 'os' | 'disk'): Promise<WireRate> {
    const { partitions, batches, batchRecords, produceInFlight } = this.#load
    const frames = Array.from({ length: partitions }, (_, partition) =>
      produceFrame(this.#batch, partition, acksOf[level]),
    )
    const at = produceAnswerAt()
    const appendedBefore = this.#appended
    const rate = await this.#rate(() =>
      this.#replayer.run({
        count: batches,
        inFlight: produceInFlight,
        request: (index) => frames[index % partitions]!,
        headBytes: at.end,
        onAnswer: (index, head) => {
          const batch = appendedBefore + Math.floor(index / partitions)
          const errorCode = head.readInt16BE(at.errorCode)
          const baseOffset = Number(head.readBigInt64BE(at.baseOffset))
          if (errorCode !== 0 || baseOffset !== batch * batchRecords) {
            throw new Error(`produce answered error ${errorCode}, offset ${baseOffset}`)
          }
        },
      }),
    )
    this.#appended += batches / partitions
    return rate
  }

  /** One pass over as many batches as `produceAll` makes, every answer where the last one ended. */
  async fetchAll(): Promise<WireRate> {
    const { partitions, batches, batchRecords, fetchBytes, fetchInFlight } = this.#load
    const batchesOfAnswer = Math.max(1, Math.floor(fetchBytes / this.#batch.length))
    const ofPartition = batches / partitions
    const answers = partitions * Math.ceil(ofPartition / batchesOfAnswer)
    const at = fetchAnswerAt()
    const place = (index: number) => {
      const first = Math.floor(index / partitions) * batchesOfAnswer
      const count = Math.min(batchesOfAnswer, ofPartition - first)
      return { partition: index % partitions, offset: first * batchRecords, count }
    }
    return this.#rate(() =>
      this.#replayer.run({
        count: answers,
        inFlight: fetchInFlight,
        request: (index) => {
          const { partition, offset, count } = place(index)
          return fetchFrame(partition, offset, count * this.#batch.length)
        },
        headBytes: at.records + 8,
        onAnswer: (index, head, bytes) => {
          const { offset, count } = place(index)
          const errorCode = head.readInt16BE(at.errorCode)
          const baseOffset = Number(head.readBigInt64BE(at.records))
          const found = bytes - at.records
          if (errorCode !== 0 || baseOffset !== offset || found !== count * this.#batch.length) {
            throw new Error(`fetch at ${offset} answered error ${errorCode}, ${found} bytes`)
          }
        },
      }),
    )
  }

  /** One record a request, one request at a time. */
  async produceSingly(level: 'os' | 'disk'): Promise<Latency> {
    const single = batchOf(1, this.#load.valueBytes)
    const frame = produceFrame(single, 0, acksOf[level])
    const at = produceAnswerAt()
    return this.#latency(frame, at.end, (head) => head.readInt16BE(at.errorCode))
  }

  /** One record, once: ms from the request to the acknowledgement. */
  async appendOne(level: 'os' | 'disk'): Promise<number> {
    const frame = produceFrame(batchOf(1, this.#load.valueBytes), 0, acksOf[level])
    const at = produceAnswerAt()
    const start = performance.now()
    await this.#replayer.run({
      count: 1,
      inFlight: 1,
      request: () => frame,
      headBytes: at.end,
      onAnswer(_, head) {
        const errorCode = head.readInt16BE(at.errorCode)
        if (errorCode !== 0) throw new Error(`answered error ${errorCode}`)
      },
    })
    return performance.now() - start
  }

  /** One batch a request, one request at a time. */
  async fetchSingly(): Promise<Latency> {
    const frame = fetchFrame(0, 0, this.#batch.length)
    const at = fetchAnswerAt()
    return this.#latency(frame, at.records, (head) => head.readInt16BE(at.errorCode))
  }

  /** The first tenth is not counted. */
  async #latency(
    frame: Buffer,
    headBytes: number,
    errorCodeOf: (head: Buffer) => number,
  ): Promise<Latency> {
    const { latencySamples } = this.#load
    const warm = Math.ceil(latencySamples / 10)
    const samples = new Float64Array(latencySamples)
    let start = 0
    await this.#replayer.run({
      count: warm + latencySamples,
      inFlight: 1,
      request: () => {
        start = performance.now()
        return frame
      },
      headBytes,
      onAnswer: (index, head) => {
        if (index >= warm) samples[index - warm] = performance.now() - start
        if (errorCodeOf(head) !== 0) throw new Error(`answered error ${errorCodeOf(head)}`)
      },
    })
    return latencyOf(samples)
  }

  async #rate(work: () => Promise<void>): Promise<WireRate> {
    const { batches, batchRecords } = this.#load
    const cpuBefore = this.#server.cpuMs()
    const start = performance.now()
    await work()
    const seconds = (performance.now() - start) / 1000
    const gigabytes = (batches * this.#batch.length) / 1e9
    return {
      recordsPerSecond: (batches * batchRecords) / seconds,
      mbPerSecond: (gigabytes * 1000) / seconds,
      cpuSecondsPerGb: (this.#server.cpuMs() - cpuBefore) / 1000 / gigabytes,
    }
  }
}

function batchOf(records: number, valueBytes: number): Buffer {
  const builder = new BatchBuilder({ codec: 'none' })
  builder.addAll(seededValues(records, valueBytes, 1), Date.now())
  return Buffer.from(builder.finish())
}

function frameOf<A extends Api>(api: A, apiVersion: number, body: RequestInputOf<A>): Buffer {
  const header = { apiVersion, correlationId: 1, clientId: 'bench' }
  return Buffer.concat(writeRequest(api, header, body).parts as Buffer[])
}

function produceFrame(records: Buffer, index: number, acks: number): Buffer {
  const topicData = [{ name: topic, partitionData: [{ index, records }] }]
  return frameOf(produceApi, produceVersion, { acks, timeoutMs: 30_000, topicData })
}

function fetchFrame(partition: number, fetchOffset: number, bytes: number): Buffer {
  const partitions = [{ partition, fetchOffset, partitionMaxBytes: bytes }]
  const topics = [{ topic, partitions }]
  const waits = { maxWaitMs: 1000, minBytes: 1, maxBytes: 0x7fff_ffff }
  return frameOf(fetchApi, fetchVersion, { ...waits, topics, forgottenTopicsData: [] })
}

/** Byte places in an answer of one topic and one partition, behind the prefix and correlation id. */
function produceAnswerAt() {
  const errorCode = 4 + 4 + 4 + (2 + topic.length) + 4 + 4
  return { errorCode, baseOffset: errorCode + 2, end: errorCode + 2 + 8 }
}

function fetchAnswerAt() {
  // throttle time, error and session, a topic, a partition: then what differs from one to the other.
  const errorCode = 4 + 4 + 4 + 2 + 4 + 4 + (2 + topic.length) + 4 + 4
  // high watermark, last stable and start offset, no aborted transactions, preferred replica, length.
  return { errorCode, records: errorCode + 2 + 3 * 8 + 4 + 4 + 4 }
}
