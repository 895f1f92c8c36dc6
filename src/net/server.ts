/**
 * Accepts connections on one or more TCP addresses and runs each until it ends (connection.ts).
 *
 * Limits, over all addresses: connections beyond `maxConnections` are closed as they come; one on which nothing moves
 * for `idleTimeoutMs` is closed (Kafka's clients close a little earlier themselves).
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { Clock, Timer } from '../base/clock.ts'
import { ListenError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { FrameHandler } from '../broker/frame-handler.ts'
import { Connection, type ConnectionLimits } from './connection.ts'
import { IdleWheel } from './idle-wheel.ts'
import { type Endpoint, endpointsOf, type Listener, listenerContext } from './listeners.ts'
import { ReceiveMemory } from './receive-memory.ts'

export type ServerOptions = ConnectionLimits & {
  readonly listeners: readonly Listener[]
  /** Each listens on a port of its own, per listener. */
  readonly nodeIds: readonly number[]
  /** Over all addresses. */
  readonly maxConnections: number
  readonly idleTimeoutMs: number
  readonly clock: Clock
  readonly logger: Logger
}

/** Connections that are refused meanwhile are told of in one line. */
const dropLineMs = 30_000

/** An address that is listened on. */
type Bound = { readonly server: Server; readonly endpoint: Endpoint }

/** Starts to listen. Rejects with ListenError when an address cannot be had; none is then kept. */
export async function listen(handler: FrameHandler, options: ServerOptions): Promise<KafkaServer> {
  const bound: Bound[] = []
  try {
    for (const endpoint of endpointsOf(options.listeners, options.nodeIds)) {
      bound.push(await bind(endpoint))
    }
  } catch (error) {
    for (const { server } of bound) server.close()
    throw error
  }
  return new KafkaServer(bound, handler, options)
}

async function bind(endpoint: Endpoint): Promise<Bound> {
  const { host } = endpoint.listener
  // Half-open: what a peer sent before it ended its side is still carried out and answered.
  const server = createServer({
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    pauseOnConnect: true,
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const details = { host, port: endpoint.port, errno: error.code ?? 'unknown' }
      reject(new ListenError(details, { cause: error }))
    })
    server.listen({ host, port: endpoint.port }, resolve)
  })
  server.removeAllListeners('error')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : endpoint.port
  return { server, endpoint: { ...endpoint, port } }
}

export class KafkaServer {
  /** Every address listened on: all nodes of the first listener, then of the next. */
  readonly endpoints: readonly Endpoint[]
  readonly #servers: readonly Server[]
  readonly #handler: FrameHandler
  readonly #options: ServerOptions
  readonly #connections = new Set<Connection>()
  readonly #idle: IdleWheel<Connection>
  readonly #memory = new ReceiveMemory()
  #dropTimer: Timer | undefined
  #droppedCount = 0
  #closing: Promise<void> | undefined
  #onLastClosed: (() => void) | undefined

  constructor(bound: readonly Bound[], handler: FrameHandler, options: ServerOptions) {
    this.endpoints = bound.map(({ endpoint }) => endpoint)
    this.#servers = bound.map(({ server }) => server)
    this.#handler = handler
    this.#options = options
    for (const { server, endpoint } of bound) {
      server.on('connection', (socket) => this.#accept(socket, endpoint))
      server.on('error', (error) => options.logger.error({ err: error }, 'accepting failed'))
    }
    this.#idle = new IdleWheel({
      timeoutMs: options.idleTimeoutMs,
      everyMs: Math.min(Math.max(options.idleTimeoutMs / 4, 10), 30_000),
      clock: options.clock,
      onDue: (connection) => this.#closeIdle(connection),
    })
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
    this.#idle.stop()
    this.#dropTimer?.cancel()
    const stopped = Promise.all(
      this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
    )
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

  #accept(socket: Socket, endpoint: Endpoint): void {
    const options = this.#options
    if (this.#connections.size >= options.maxConnections) {
      socket.destroy()
      this.#onDrop()
      return
    }
    const connection = new Connection(socket, {
      handler: this.#handler,
      limits: options,
      memory: this.#memory,
      listener: listenerContext(endpoint, this.endpoints, socket.localAddress),
      clock: options.clock,
      logger: options.logger,
      onClose: (closed) => this.#forget(closed),
    })
    this.#connections.add(connection)
    this.#idle.add(connection)
    if (this.#closing !== undefined) connection.destroy()
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection)
    this.#idle.delete(connection)
    if (this.#connections.size === 0) this.#onLastClosed?.()
  }

  /** One line for the first, then one now and then: a flood must not become a flood of lines. */
  #onDrop(): void {
    if (this.#droppedCount++ > 0) return
    this.#logDropped()
    this.#dropTimer = this.#options.clock.after(dropLineMs, () => {
      if (this.#droppedCount > 1) this.#logDropped()
      this.#droppedCount = 0
    })
  }

  #logDropped(): void {
    const { logger, maxConnections } = this.#options
    const fields = { dropped: this.#droppedCount, maxConnections }
    logger.warn(fields, 'connections refused: too many are open')
  }

  #closeIdle(connection: Connection): void {
    this.#options.logger.debug({ peer: connection.peer }, 'idle connection closed')
    connection.destroy()
  }
}
