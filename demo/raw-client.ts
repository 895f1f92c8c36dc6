/**
 * A Kafka client as small as it can be: one connection, one request at a time, written and read by
 * the schemas of the protocol. For looking at what the server really sends.
 */
import { connect, type Socket } from 'node:net'
import { fetchApi } from '../src/broker/api/fetch.ts'
import { FrameDecoder } from '../src/net/frame-decoder.ts'
import {
  type Api,
  type RequestInputOf,
  type ResponseOf,
  readResponse,
  writeRequest,
} from '../src/protocol/api.ts'
import { BatchView } from '../src/record/batch-view.ts'
import { RecordCursor } from '../src/record/record-cursor.ts'

const maxFrameBytes = 2 ** 31 - 1
const fetchVersion = 12
const mebibyte = 1024 * 1024

/** Where to go on in one partition. */
export type FetchPosition = { readonly partition: number; readonly fetchOffset: number }

export type FetchedPartition = {
  readonly partition: number
  readonly highWatermark: number
  readonly records: Buffer
}

export class RawClient {
  readonly #socket: Socket
  readonly #decoder = new FrameDecoder(maxFrameBytes)
  #correlationId = 0
  #waiting: { resolve(frame: Buffer): void; reject(error: Error): void } | undefined

  static async connect(port: number, host = '127.0.0.1'): Promise<RawClient> {
    const socket = connect({ port, host, noDelay: true })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new RawClient(socket)
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the server closed the connection')))
    socket.on('data', (chunk: Buffer) => {
      this.#decoder.push(chunk)
      const frame = this.#decoder.next()
      if (frame !== undefined) this.#waiting?.resolve(frame)
    })
  }

  async ask<A extends Api>(
    api: A,
    apiVersion: number,
    body: RequestInputOf<A>,
  ): Promise<ResponseOf<A>> {
    const correlationId = ++this.#correlationId
    const header = { apiVersion, correlationId, clientId: 'raw' }
    const frame = new Promise<Buffer>((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
    for (const part of writeRequest(api, header, body).parts) this.#socket.write(part as Buffer)
    const response = readResponse(api, apiVersion, await frame)
    this.#waiting = undefined
    if (response.correlationId !== correlationId) throw new Error('an answer out of order')
    return response.body
  }

  /** One Fetch of several partitions of a topic. */
  async fetch(
    topic: string,
    positions: readonly FetchPosition[],
    { maxWaitMs = 1000, isolationLevel = 0 } = {},
  ): Promise<FetchedPartition[]> {
    const response = await this.ask(fetchApi, fetchVersion, {
      maxWaitMs,
      minBytes: 1,
      maxBytes: 16 * mebibyte,
      isolationLevel,
      topics: [
        {
          topic,
          partitions: positions.map((position) => ({
            ...position,
            partitionMaxBytes: 4 * mebibyte,
          })),
        },
      ],
      forgottenTopicsData: [],
    })
    return response.responses.flatMap(({ partitions }) =>
      partitions.map(({ partitionIndex, errorCode, highWatermark, records }) => {
        if (errorCode !== 0) throw new Error(`${topic}-${partitionIndex}: error ${errorCode}`)
        const bytes = records ?? Buffer.alloc(0)
        return { partition: partitionIndex, highWatermark, records: bytes }
      }),
    )
  }

  close(): void {
    this.#socket.removeAllListeners('close')
    this.#socket.destroy()
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error)
  }
}

/**
 * Visits the records of whole batches from `fetchOffset` on (a batch may begin before it), checking
 * every batch's CRC.
 *
 * @returns the offset to fetch next.
 */
export function visitRecords(
  bytes: Buffer,
  fetchOffset: number,
  visit: (record: RecordCursor) => void,
): number {
  const batch = new BatchView()
  const cursor = new RecordCursor()
  let next = fetchOffset
  for (let at = 0; at < bytes.length; at += batch.sizeBytes) {
    batch.at(bytes, at)
    if (!batch.hasValidCrc()) throw new Error(`the batch at offset ${batch.baseOffset} is damaged`)
    cursor.open(bytes, at)
    while (cursor.next()) {
      if (cursor.offset >= fetchOffset) visit(cursor)
    }
    next = batch.nextOffset
  }
  return next
}
