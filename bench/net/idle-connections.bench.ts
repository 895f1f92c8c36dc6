// Question  What do thousands of quiet clients cost a server, waiting or not?
// Workload  a server process of its own with 100 topics; 5 000 connections that said hello
//           (ApiVersions, Metadata), of which 1 000 have a fetch under way that nothing answers,
//           each of one topic: first fetches of one minute, then of 5 s, asked again when they end.
// Measures  share of one core that the server uses over 20 s, once V8 has collected most of the
//           garbage of the rush of connections, which it does in steps 10 to 30 s later; what its
//           resident memory grew by per connection; µs from an append to the last of the 10 fetches it wakes, in the median.
//           Linux only (/proc). Not: what the clients cost.
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { apiVersionsApi } from '../../src/broker/api/api-versions.ts'
import { fetchApi } from '../../src/broker/api/fetch.ts'
import { metadataApi } from '../../src/broker/api/metadata.ts'
import { produceApi } from '../../src/broker/api/produce.ts'
import { type Api, type RequestInputOf, writeRequest } from '../../src/protocol/api.ts'
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import { ServerProcess } from '../support/server-process.ts'
import { median } from '../support/statistics.ts'

export type IdleRow = {
  readonly fetches: string
  readonly connections: number
  readonly corePercent: number
  readonly kibPerConnection: number
  readonly wakeUs: number
}

type Sizes = {
  readonly connections: number
  readonly polls: number
  readonly topics: number
  readonly settleMs: number
  readonly measureMs: number
  readonly wakes: number
}

const full: Sizes = {
  connections: 5000,
  polls: 1000,
  topics: 100,
  settleMs: 20_000,
  measureMs: 20_000,
  wakes: 50,
}
const tiny: Sizes = { connections: 20, polls: 10, topics: 2, settleMs: 0, measureMs: 50, wakes: 3 }

/** Runs the whole file; `tiny` inputs only show that it works. */
export async function run(options: { readonly tiny: boolean }): Promise<IdleRow[]> {
  const sizes = options.tiny ? tiny : full
  const rows: IdleRow[] = []
  for (const [fetches, waitMs] of [
    ['of one minute', 60_000],
    ['of 5 s, again and again', 5_000],
  ] as const) {
    rows.push(await measure(fetches, waitMs, sizes))
  }
  return rows
}

async function measure(fetches: string, waitMs: number, sizes: Sizes): Promise<IdleRow> {
  const server = await ServerProcess.start(['--ephemeral'])
  const { port } = server
  const clients: Client[] = []
  try {
    // What the first connections have the server load and compile is not theirs.
    const warm = await Client.open(port)
    for (let i = 0; i < 200; i++) await warm.greet(topicName(i % sizes.topics))
    const before = server.residentKib()
    for (let i = 0; i < sizes.connections; i++) {
      const client = await Client.open(port)
      await client.greet(topicName(i % sizes.topics))
      clients.push(client)
    }
    const polling = clients.slice(0, sizes.polls)
    for (const [i, client] of polling.entries()) client.poll(topicName(i % sizes.topics), waitMs)
    await sleep(sizes.settleMs)
    const cpuBefore = server.cpuMs()
    const from = performance.now()
    await sleep(sizes.measureMs)
    const corePercent = (100 * (server.cpuMs() - cpuBefore)) / (performance.now() - from)
    const kibPerConnection = (server.residentKib() - before) / sizes.connections
    const wakeUs = await wake(warm, polling, sizes)
    warm.close()
    const { connections } = sizes
    return { fetches, connections, corePercent, kibPerConnection, wakeUs }
  } finally {
    for (const client of clients) client.close()
    await server.stop()
  }
}

/** Appends to one topic after the other; every fetch of it must end. */
async function wake(producer: Client, polling: readonly Client[], sizes: Sizes): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < sizes.wakes; i++) {
    const topic = i % sizes.topics
    const woken = polling.filter((_, index) => index % sizes.topics === topic)
    const answers = Promise.all(woken.map((client) => client.next()))
    const from = performance.now()
    await producer.ask(produceRequest(topicName(topic)))
    await answers
    times.push((performance.now() - from) * 1000)
  }
  return median(times)
}

const topicName = (index: number): string => `topic-${index}`

function frame<A extends Api>(api: A, apiVersion: number, body: RequestInputOf<A>): Buffer {
  const header = { apiVersion, correlationId: 1, clientId: 'bench' }
  return Buffer.concat(writeRequest(api, header, body).parts as Buffer[])
}

function produceRequest(name: string): Buffer {
  const builder = new BatchBuilder({ codec: 'none' })
  builder.add({ value: 'x' }, Date.now())
  const records = Buffer.from(builder.finish())
  const topicData = [{ name, partitionData: [{ index: 0, records }] }]
  return frame(produceApi, 9, { acks: 1, timeoutMs: 10_000, topicData })
}

/** A client that reads nothing but the lengths of its answers. */
class Client {
  readonly #socket: Socket
  #pending: Buffer = Buffer.alloc(0)
  #waiting: ((answer: Buffer) => void)[] = []
  #poll: { topic: string; waitMs: number; offset: number } | undefined

  static async open(port: number): Promise<Client> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new Client(socket)
  }

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk) => this.#onData(chunk))
    socket.on('error', () => {})
  }

  ask(request: Buffer): Promise<Buffer> {
    const answer = this.next()
    this.#socket.write(request)
    return answer
  }

  next(): Promise<Buffer> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  async greet(topic: string): Promise<void> {
    await this.ask(
      frame(apiVersionsApi, 3, { clientSoftwareName: 'b', clientSoftwareVersion: '1' }),
    )
    await this.ask(frame(metadataApi, 9, { topics: [{ name: topic }] }))
  }

  /** Fetches one topic from its end on, again and again. */
  poll(topic: string, waitMs: number): void {
    this.#poll = { topic, waitMs, offset: 0 }
    this.#fetch()
  }

  close(): void {
    this.#poll = undefined
    this.#socket.destroy()
  }

  #fetch(): void {
    const { topic, waitMs: maxWaitMs, offset: fetchOffset } = this.#poll!
    const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: 1_048_576 }]
    const topics = [{ topic, partitions }]
    this.#socket.write(
      frame(fetchApi, 11, { maxWaitMs, minBytes: 1, topics, forgottenTopicsData: [] }),
    )
  }

  #onData(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    while (this.#pending.length >= 4) {
      const end = 4 + this.#pending.readInt32BE(0)
      if (this.#pending.length < end) return
      const answer = this.#pending.subarray(0, end)
      this.#pending = this.#pending.subarray(end)
      if (this.#poll !== undefined) {
        // An answer without records is as long as its header: about 75 bytes.
        if (answer.length > 120) this.#poll.offset++
        this.#fetch()
        if (answer.length <= 120) continue
      }
      this.#waiting.shift()?.(answer)
    }
  }
}
