/**
 * Accepts connections on one TCP address and runs each until it ends (connection.ts).
 *
 * Limits: connections beyond `maxConnections` are closed as they come; one on which nothing moves
 * for `idleTimeoutMs` is closed (Kafka's clients close a little earlier themselves).
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { Clock, Timer } from '../base/clock.ts'
import { ListenError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { FrameHandler } from '../broker/frame-handler.ts'
import { Connection, type ConnectionLimits } from './connection.ts'

export type ServerOptions = ConnectionLimits & {
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** What clients are told to connect to; by default what they connected to. */
  readonly advertisedHost: string | undefined
  readonly advertisedPort: number | undefined
  readonly maxConnections: number
  readonly idleTimeoutMs: number
  readonly clock: Clock
  readonly logger: Logger
}

/** Starts to listen. Rejects with ListenError when the address cannot be had. */
export async function listen(handler: FrameHandler, options: ServerOptions): Promise<KafkaServer> {
  // Half-open: what a peer sent before it ended its side is still carried out and answered.
  const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true })
  server.maxConnections = options.maxConnections
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const { host, port } = options
      reject(new ListenError({ host, port, errno: error.code ?? 'unknown' }, { cause: error }))
    })
    server.listen({ host: options.host, port: options.port }, resolve)
  })
  server.removeAllListeners('error')
  return new KafkaServer(server, handler, options)
}

export class KafkaServer {
  readonly host: string
  readonly port: number
  readonly #server: Server
  readonly #handler: FrameHandler
  readonly #options: ServerOptions
  readonly #connections = new Set<Connection>()
  #sweepTimer: Timer | undefined
  #droppedCount = 0
  #closing: Promise<void> | undefined
  #onLastClosed: (() => void) | undefined

  constructor(server: Server, handler: FrameHandler, options: ServerOptions) {
    this.#server = server
    this.#handler = handler
    this.#options = options
    this.host = options.host
    const address = server.address()
    this.port = typeof address === 'object' && address !== null ? address.port : options.port
    server.on('connection', (socket) => this.#accept(socket))
    server.on('drop', () => this.#onDrop())
    server.on('error', (error) => options.logger.error({ err: error }, 'accepting failed'))
    this.#scheduleSweep()
  }

  get connectionCount(): number {
    return this.#connections.size
  }

  /**
   * Stops accepting and reading, lets begun requests answer (parked ones at once), closes each
   * connection when its answers have left. What is left after `deadlineMs` is cut off.
   */
  close({ deadlineMs = 5000 }: { deadlineMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(deadlineMs)
    return this.#closing
  }

  async #close(deadlineMs: number): Promise<void> {
    this.#sweepTimer?.cancel()
    const stopped = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    const allClosed = new Promise<void>((resolve) => {
      this.#onLastClosed = resolve
    })
    for (const connection of [...this.#connections]) connection.drain()
    if (this.#connections.size > 0) {
      const deadline = this.#options.clock.after(deadlineMs, () => this.#cutOff())
      await allClosed
      deadline.cancel()
    }
    await stopped
  }

  #cutOff(): void {
    const { logger } = this.#options
    logger.warn({ connections: this.#connections.size }, 'connections cut off at shutdown')
    for (const connection of [...this.#connections]) connection.destroy()
  }

  #accept(socket: Socket): void {
    const options = this.#options
    const connection = new Connection(socket, {
      handler: this.#handler,
      limits: options,
      listener: this.#listenerOf(socket),
      clock: options.clock,
      logger: options.logger,
      onClose: (closed) => this.#forget(closed),
    })
    this.#connections.add(connection)
    if (this.#closing !== undefined) connection.destroy()
  }

  #listenerOf(socket: Socket): { host: string; port: number } {
    const { advertisedHost, advertisedPort, host } = this.#options
    const boundHost = isWildcard(host) ? (socket.localAddress ?? host) : host
    return { host: advertisedHost ?? boundHost, port: advertisedPort ?? this.port }
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection)
    if (this.#connections.size === 0) this.#onLastClosed?.()
  }

  /** One line for the first, then one per sweep: a flood must not become a flood of lines. */
  #onDrop(): void {
    if (this.#droppedCount++ === 0) this.#logDropped()
  }

  #logDropped(): void {
    const { logger, maxConnections } = this.#options
    const fields = { dropped: this.#droppedCount, maxConnections }
    logger.warn(fields, 'connections refused: too many are open')
  }

  #scheduleSweep(): void {
    const everyMs = Math.min(Math.max(this.#options.idleTimeoutMs / 4, 10), 30_000)
    this.#sweepTimer = this.#options.clock.after(everyMs, () => {
      this.#sweep()
      this.#scheduleSweep()
    })
  }

  #sweep(): void {
    if (this.#droppedCount > 1) this.#logDropped()
    this.#droppedCount = 0
    const nowMs = this.#options.clock.now()
    for (const connection of [...this.#connections]) {
      if (connection.idleMs(nowMs) < this.#options.idleTimeoutMs) continue
      this.#options.logger.debug({ peer: connection.peer }, 'idle connection closed')
      connection.destroy()
    }
  }
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::' || host === ''
}
