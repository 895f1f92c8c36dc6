/**
 * A client that fetches the same records again and again and looks at none of them, so that what is
 * measured is the server and the socket: one request at a time, answers received into one buffer.
 *
 *     node drain-client.js '{"port":…,"topic":…,"partitions":…,"maxBytesPerPartition":…,"totalBytes":…}'
 *
 * Prints `{"bytes":…,"seconds":…}`: bytes of all answers but the first, which is checked instead.
 */
import { connect, type Socket } from 'node:net'
import { type FetchPlan, fetchedPartitions, fetchRequest } from './fetch-frames.ts'

export type DrainPlan = FetchPlan & { readonly port: number; readonly totalBytes: number }

const bufferBytes = 1 << 20

class Drain {
  readonly #plan: DrainPlan
  readonly #request: Buffer
  readonly #socket: Socket
  readonly #done: (line: string) => void
  #first: Buffer[] | undefined = []
  /** Of the answer that is arriving; undefined until its length is whole. */
  #left: number | undefined
  #length = Buffer.alloc(0)
  #bytes = 0
  #startedMs = 0

  constructor(plan: DrainPlan, done: (line: string) => void) {
    this.#plan = plan
    this.#request = fetchRequest(plan)
    this.#done = done
    const onread = {
      buffer: Buffer.allocUnsafeSlow(bufferBytes),
      callback: (count: number, buffer: Uint8Array) => this.#received(buffer.subarray(0, count)),
    }
    this.#socket = connect({ host: '127.0.0.1', port: plan.port, onread })
    this.#socket.setNoDelay(true)
    this.#socket.on('connect', () => this.#socket.write(this.#request))
    this.#socket.on('error', (error) => {
      throw error
    })
    this.#socket.on('close', () => {
      if (this.#bytes < plan.totalBytes) throw new Error('the server has closed the connection')
    })
  }

  #received(chunk: Uint8Array): boolean {
    if (this.#first !== undefined) this.#first.push(Buffer.from(chunk))
    else this.#bytes += chunk.length
    let rest = chunk
    while (rest.length > 0) rest = this.#consume(rest)
    return true
  }

  /** @returns what is behind the end of the answer. */
  #consume(chunk: Uint8Array): Uint8Array {
    if (this.#left === undefined) {
      const missing = 4 - this.#length.length
      this.#length = Buffer.concat([this.#length, chunk.subarray(0, missing)])
      if (this.#length.length === 4) this.#left = this.#length.readInt32BE(0)
      return chunk.subarray(missing)
    }
    const taken = Math.min(this.#left, chunk.length)
    this.#left -= taken
    if (this.#left === 0) this.#answered()
    return chunk.subarray(taken)
  }

  #answered(): void {
    this.#left = undefined
    this.#length = Buffer.alloc(0)
    if (this.#first !== undefined) {
      checkAnswer(Buffer.concat(this.#first), this.#plan)
      this.#first = undefined
      this.#startedMs = performance.now()
    }
    if (this.#bytes < this.#plan.totalBytes) this.#socket.write(this.#request)
    else this.#end()
  }

  #end(): void {
    const seconds = (performance.now() - this.#startedMs) / 1000
    this.#socket.destroy()
    this.#done(JSON.stringify({ bytes: this.#bytes, seconds }))
  }
}

function checkAnswer(answer: Buffer, { partitions, maxBytesPerPartition }: FetchPlan): void {
  const found = fetchedPartitions(answer)
  const isFull = found.every(({ error, recordBytes }) => {
    return error === 0 && recordBytes > maxBytesPerPartition / 2
  })
  if (found.length === partitions && isFull) return
  throw new Error(`not what was asked for: ${JSON.stringify(found)}`)
}

new Drain(JSON.parse(process.argv[2]!) as DrainPlan, (line) => console.log(line))
