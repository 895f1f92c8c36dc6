/**
 * A load generator that costs little beside the server: it sends frames that were encoded before, keeps
 * a number of them under way, and looks only at the first bytes of each answer. Not a client: it knows
 * beforehand what the answers look like.
 */
import { connect, type Socket } from 'node:net'

/** Memory the socket reads into, again and again. */
const receiveBytes = 1 << 20
const prefixBytes = 4

export type Replay = {
  /** How many requests to make. */
  readonly count: number
  /** Under way at once, at most. */
  readonly inFlight: number
  /** The frame of request `index`. */
  readonly request: (index: number) => Buffer
  /** Bytes of every answer to look at, prefix included; an answer may not be shorter. */
  readonly headBytes: number
  /**
   * Called at the last byte of answer `index`. `head` is valid until it returns; `bytes` counts the
   * whole answer, prefix included. Throws to end the replay.
   */
  readonly onAnswer: (index: number, head: Buffer, bytes: number) => void
}

export class Replayer {
  readonly #socket: Socket
  #replay: Replay | undefined
  #resolve: () => void = () => {}
  #reject: (error: Error) => void = () => {}
  #sent = 0
  #answered = 0
  /** Of the answer that is arriving. */
  #head = Buffer.alloc(0)
  #filled = 0
  #left = 0

  static async connect(port: number): Promise<Replayer> {
    let replayer: Replayer | undefined
    const memory = Buffer.alloc(receiveBytes)
    const socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: memory,
        callback: (count) => {
          replayer!.#receive(memory.subarray(0, count))
          return true
        },
      },
    })
    replayer = new Replayer(socket)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return replayer
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('the server closed the connection')))
  }

  /** Resolves when every request was answered; one at a time. */
  run(replay: Replay): Promise<void> {
    if (this.#replay !== undefined) throw new Error('a replay is under way')
    this.#replay = replay
    this.#sent = 0
    this.#answered = 0
    this.#head = Buffer.alloc(Math.max(prefixBytes, replay.headBytes))
    this.#filled = 0
    return new Promise<void>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      this.#send()
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #send(): void {
    const { count, inFlight, request } = this.#replay!
    while (this.#sent < count && this.#sent - this.#answered < inFlight) {
      const frame = request(this.#sent)
      this.#sent++
      this.#socket.write(frame)
    }
  }

  #receive(chunk: Buffer): void {
    try {
      let at = 0
      while (at < chunk.length && this.#replay !== undefined) at = this.#take(chunk, at)
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  /** Takes bytes of one answer from `at` on; returns where they end. */
  #take(chunk: Buffer, at: number): number {
    const { headBytes, onAnswer, count } = this.#replay!
    const head = this.#head
    if (this.#filled < headBytes) {
      const copied = chunk.copy(head, this.#filled, at, at + headBytes - this.#filled)
      this.#filled += copied
      if (this.#filled < headBytes) return chunk.length
      this.#left = prefixBytes + head.readInt32BE(0) - headBytes
      if (this.#left < 0) throw new Error(`an answer of ${head.readInt32BE(0)} bytes`)
      at += copied
    }
    const skipped = Math.min(this.#left, chunk.length - at)
    this.#left -= skipped
    if (this.#left > 0) return chunk.length
    this.#filled = 0
    onAnswer(this.#answered, head, prefixBytes + head.readInt32BE(0))
    this.#answered++
    if (this.#answered === count) this.#end()
    else this.#send()
    return at + skipped
  }

  #end(): void {
    this.#replay = undefined
    this.#resolve()
  }

  #fail(error: Error): void {
    if (this.#replay === undefined) return
    this.#replay = undefined
    this.#reject(error)
  }
}
