/**
 * One client connection: frames in, answers out in the order of their requests.
 *
 * Requests are begun as they arrive, several at a time; their answers wait in a queue of slots
 * until all earlier ones are ready. A request without an answer (acks=0) gives its slot up. What
 * bounds memory: at most `maxInFlightRequests` slots and unsent file regions, `maxInFlightBytes` of request frames and
 * `maxQueuedBytes` of unsent answers (each may be passed by one request, never by two); then the
 * socket is not read until there is room, and TCP makes the peer wait.
 */
import type { Socket } from 'node:net'
import type { Clock, Timer } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { kibibyte } from '../base/units.ts'
import {
  type Answer,
  type ConnectionContext,
  type FrameHandler,
  isPending,
  RefusedRequestError,
} from '../broker/frame-handler.ts'
import { FrameDecoder, FrameError } from './frame-decoder.ts'
import type { ReceiveMemory } from './receive-memory.ts'
import { receivingSocket } from './receiving-socket.ts'
import { ResponseWriter, releaseFrame } from './response-writer.ts'

export type ConnectionLimits = {
  readonly maxRequestBytes: number
  readonly maxInFlightRequests: number
  readonly maxInFlightBytes: number
  readonly maxQueuedBytes: number
  /** See receivingSocket. */
  readonly sendBufferBytes: number
}

export type ConnectionOptions = {
  readonly handler: FrameHandler
  readonly limits: ConnectionLimits
  /** Shared by all connections of the server. */
  readonly memory: ReceiveMemory
  readonly listener: ConnectionContext['listener']
  readonly clock: Clock
  readonly logger: Logger
  readonly onClose: (connection: Connection) => void
}

/**
 * Received in one turn of the loop before all else has its turn: a socket that is full is read until it is
 * empty, which a fast sender never lets it be.
 */
const turnBytes = 512 * kibibyte

/** How long a peer may take to close its side after we closed ours. */
const lingerMs = 1000

/** How sending fails when the peer, its machine or the way there is gone. */
const goneCodes: ReadonlySet<string> = new Set([
  'EPIPE',
  'ECONNRESET',
  'ECANCELED',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
])

/** One begun request. `answer` is undefined until it is known. */
type Slot = { answer: Answer | undefined; isDropped: boolean; readonly requestBytes: number }

export class Connection {
  readonly peer: string
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #decoder: FrameDecoder
  readonly #writer: ResponseWriter
  readonly #abort = new AbortController()
  readonly #context: ConnectionContext
  readonly #slots: Slot[] = []
  #inFlightBytes = 0
  /** A begun request lets no other begin. */
  #isHeld = false
  /** `open` takes requests; `draining` finishes those begun; `ended` waits for the peer. */
  #state: 'open' | 'draining' | 'ended' | 'closed' = 'open'
  #hasPeerEnded = false
  #isFlushScheduled = false
  /** Since the last time that others had their turn. */
  #receivedBytes = 0
  #isYielding = false
  #lastActivityMs: number
  #lingerTimer: Timer | undefined

  /**
   * `accepted` must be paused, and allow half-open connections: a peer that ended still gets its
   * answers. It belongs to the connection.
   */
  constructor(accepted: Socket, options: ConnectionOptions) {
    this.#options = options
    this.peer = `${accepted.remoteAddress ?? '?'}:${accepted.remotePort ?? 0}`
    this.#decoder = new FrameDecoder(options.limits.maxRequestBytes, options.memory)
    const socket = this.#openReceiver(accepted)
    this.#socket = socket
    this.#context = { listener: options.listener, peer: this.peer, signal: this.#abort.signal }
    this.#lastActivityMs = options.clock.elapsedMs()
    this.#writer = new ResponseWriter(socket, {
      onProgress: () => this.#onProgress(),
      onFailure: (error) => this.#onSendFailure(error),
    })
    socket.on('end', () => this.#onPeerEnd())
    socket.on('error', (error) => this.#onSocketError(error))
    socket.on('close', () => this.#onClose())
  }

  #openReceiver(accepted: Socket): Socket {
    const receiver = {
      target: () => this.#decoder.target(),
      received: (count: number) => {
        if (this.#state === 'open') this.#decoder.received(count)
        this.#onReceived(count)
      },
    }
    const socket = receivingSocket(accepted, receiver, this.#options.limits.sendBufferBytes)
    if (socket !== undefined) return socket
    accepted.on('data', (chunk: Buffer) => {
      if (this.#state === 'open') this.#decoder.push(chunk)
      this.#onReceived(chunk.length)
      // What is left must not stay in memory that others receive into.
      this.#decoder.target()
    })
    return accepted.resume()
  }

  /**
   * Milliseconds without a byte moving, or 0 while the peer waits for an answer of ours.
   *
   * @param elapsedMs of the clock.
   */
  idleMs(elapsedMs: number): number {
    const isWorking = this.#slots.length > 0 && this.#writer.isIdle
    return isWorking ? 0 : elapsedMs - this.#lastActivityMs
  }

  /** Takes no more requests, answers those begun, then closes. */
  drain(): void {
    if (this.#state !== 'open') return
    this.#state = 'draining'
    this.#decoder.clear()
    this.#socket.pause()
    this.#abort.abort()
    this.#endWhenDrained()
  }

  /** Closes now; answers not sent are dropped. */
  destroy(): void {
    this.#writer.close()
    this.#socket.destroy()
  }

  #onReceived(count: number): void {
    if (this.#state !== 'open') return
    this.#lastActivityMs = this.#options.clock.elapsedMs()
    this.#receivedBytes += count
    if (this.#receivedBytes >= turnBytes) this.#yield()
    this.#beginRequests()
  }

  /** Nothing more is read before all else has had its turn. */
  #yield(): void {
    this.#receivedBytes = 0
    if (this.#isYielding) return
    this.#isYielding = true
    setImmediate(() => {
      this.#isYielding = false
      this.#beginRequests()
    })
  }

  #onPeerEnd(): void {
    this.#hasPeerEnded = true
    if (this.#state === 'ended') {
      this.destroy()
      return
    }
    this.#abort.abort()
    this.#beginRequests()
  }

  #onProgress(): void {
    this.#lastActivityMs = this.#options.clock.elapsedMs()
    this.#beginRequests()
  }

  /** Begins every request there is and may be, then sends what is ready. */
  #beginRequests(): void {
    if (this.#state === 'open') {
      try {
        this.#beginWhileAllowed()
      } catch (error) {
        this.#refuse(error)
      }
    }
    this.#flush()
  }

  #beginWhileAllowed(): void {
    while (this.#hasRoom()) {
      const frame = this.#decoder.next()
      if (frame === undefined) {
        if (this.#hasPeerEnded) this.drain()
        else if (this.#isYielding) this.#socket.pause()
        else this.#socket.resume()
        return
      }
      this.#begin(frame)
    }
    this.#socket.pause()
  }

  #hasRoom(): boolean {
    const { limits } = this.#options
    return (
      !this.#isHeld &&
      this.#slots.length + this.#writer.queuedSlices < limits.maxInFlightRequests &&
      this.#inFlightBytes < limits.maxInFlightBytes &&
      this.#writer.queuedBytes < limits.maxQueuedBytes
    )
  }

  #begin(frame: Buffer): void {
    const outcome = this.#options.handler.handle(frame, this.#context)
    const slot: Slot = { answer: undefined, isDropped: false, requestBytes: frame.length }
    if (!isPending(outcome)) {
      slot.answer = outcome
      this.#enqueue(slot)
      this.#moveAnswers()
      return
    }
    this.#enqueue(slot)
    this.#isHeld = outcome.holdsNext
    outcome.answer.then(
      (answer) => this.#settle(slot, answer, outcome.holdsNext),
      (error: unknown) => this.#refuse(error),
    )
  }

  #enqueue(slot: Slot): void {
    this.#slots.push(slot)
    this.#inFlightBytes += slot.requestBytes
  }

  #settle(slot: Slot, answer: Answer, wasHeld: boolean): void {
    if (slot.isDropped) {
      if (answer !== null) releaseFrame(answer)
      return
    }
    slot.answer = answer
    if (wasHeld) this.#isHeld = false
    if (this.#isFlushScheduled) return
    // Answers that become ready together (one flush acknowledges many) leave in one write.
    this.#isFlushScheduled = true
    queueMicrotask(() => {
      this.#isFlushScheduled = false
      this.#moveAnswers()
      this.#beginRequests()
    })
  }

  /** Hands the answers at the front of the queue to the writer. */
  #moveAnswers(): void {
    while (this.#slots.length > 0) {
      const slot = this.#slots[0]!
      if (slot.answer === undefined) return
      this.#slots.shift()
      this.#inFlightBytes -= slot.requestBytes
      if (slot.answer !== null) this.#writer.add(slot.answer)
    }
  }

  #flush(): void {
    if (this.#state === 'closed') return
    this.#writer.flush()
    this.#endWhenDrained()
  }

  #endWhenDrained(): void {
    if (this.#state !== 'draining' || this.#slots.length > 0 || !this.#writer.isIdle) return
    this.#state = 'ended'
    this.#socket.end()
    if (this.#hasPeerEnded) return
    // Reading on (and dropping what comes) lets the peer's end be seen and spares it a reset that
    // would overtake our last answers.
    this.#socket.resume()
    this.#lingerTimer = this.#options.clock.after(lingerMs, () => this.destroy())
  }

  /** Ends the connection for what the peer sent or for a request that could not be answered. */
  #refuse(error: unknown): void {
    if (this.#state === 'closed') return
    this.#logRefusal(error)
    // Answers before the refused request still leave; what was begun after it is dropped.
    const firstOpen = this.#slots.findIndex((slot) => slot.answer === undefined)
    if (firstOpen >= 0) this.#dropSlots(firstOpen)
    this.#moveAnswers()
    this.drain()
    this.#flush()
  }

  #dropSlots(from: number): void {
    for (const slot of this.#slots.splice(from)) {
      slot.isDropped = true
      this.#inFlightBytes -= slot.requestBytes
      if (slot.answer) releaseFrame(slot.answer)
    }
  }

  #logRefusal(error: unknown): void {
    const { logger } = this.#options
    const { peer } = this
    if (error instanceof RefusedRequestError) {
      const { apiKey, apiVersion, clientId, message: reason } = error
      logger.warn({ peer, apiKey, apiVersion, clientId, reason }, 'connection closed: bad request')
    } else if (error instanceof FrameError) {
      logger.warn({ peer, reason: error.message }, 'connection closed: bad frame')
    } else logger.error({ peer, err: error }, 'connection closed: a request failed')
  }

  #onSendFailure(error: Error): void {
    if (this.#state === 'closed') return
    const { code = '' } = error as Error & { code?: string }
    // A socket that is destroyed already has failed by itself: whatever came after is its echo.
    const isPeerGone = this.#socket.destroyed || goneCodes.has(code)
    const fields = { peer: this.peer, err: error }
    if (isPeerGone) this.#options.logger.debug(fields, 'peer gone while answers were sent')
    else this.#options.logger.error(fields, 'connection closed: an answer could not be sent')
    this.destroy()
  }

  #onSocketError(error: Error): void {
    this.#options.logger.debug({ peer: this.peer, err: error }, 'socket error')
  }

  #onClose(): void {
    this.#state = 'closed'
    this.#abort.abort()
    this.#lingerTimer?.cancel()
    this.#writer.close()
    this.#decoder.clear()
    this.#decoder.release()
    this.#dropSlots(0)
    this.#options.onClose(this)
  }
}
