/** A Kafka server whose handler does what a request's text says, and what it logged. */
import { systemClock } from '../../src/base/clock.ts'
import {
  type Answer,
  type ConnectionContext,
  type FrameHandler,
  type PendingAnswer,
  RefusedRequestError,
} from '../../src/broker/frame-handler.ts'
import type { Listener } from '../../src/net/listeners.ts'
import { type KafkaServer, listen, type ServerOptions } from '../../src/net/server.ts'
import type { WirePart } from '../../src/protocol/wire-writer.ts'
import { RecordingLogger } from './recording-logger.ts'

export const framed = (...parts: WirePart[]): Answer => {
  const size = parts.reduce((sum, part) => sum + part.length, 0)
  const prefix = Buffer.alloc(4)
  prefix.writeInt32BE(size)
  return { parts: [prefix, ...parts], sizeBytes: size + 4 }
}

/** Answers each request with its own text; `later:x` when `release('later:x')` is called. */
export class ScriptedHandler implements FrameHandler {
  readonly seen: string[] = []
  readonly contexts: ConnectionContext[] = []
  readonly #open = new Map<string, (answer: Answer) => void>()
  #watchers: (() => void)[] = []
  makeAnswer: (text: string) => Answer = (text) => framed(Buffer.from(text))

  handle(frame: Buffer, connection: ConnectionContext): Answer | PendingAnswer {
    const text = frame.toString()
    this.seen.push(text)
    this.contexts.push(connection)
    for (const watcher of this.#watchers) watcher()
    const [verb] = text.split(':', 1)
    if (verb === 'silent') return null
    if (verb === 'refuse') {
      throw new RefusedRequestError('no such thing', { apiKey: 99, apiVersion: 1, clientId: 'me' })
    }
    if (verb === 'crash') throw new TypeError('a bug')
    if (verb === 'later' || verb === 'alone' || verb === 'park') {
      return { answer: this.#wait(text, verb, connection), holdsNext: verb === 'alone' }
    }
    return this.makeAnswer(text)
  }

  #wait(text: string, verb: string, { signal }: ConnectionContext): Promise<Answer> {
    return new Promise((resolve) => {
      this.#open.set(text, resolve)
      if (verb !== 'park') return
      signal.addEventListener('abort', () => resolve(framed(Buffer.from('aborted'))))
    })
  }

  release(text: string, answer: Answer = framed(Buffer.from(text))): void {
    this.#open.get(text)!(answer)
    this.#open.delete(text)
  }

  async until(count: number): Promise<void> {
    if (this.seen.length >= count) return
    await new Promise<void>((resolve) => {
      this.#watchers.push(() => {
        if (this.seen.length >= count) resolve()
      })
    })
  }
}

export const loopback: Listener = {
  name: 'PLAINTEXT',
  host: '127.0.0.1',
  port: 0,
  advertisedHost: undefined,
  advertisedPort: undefined,
}

export const portOf = (server: KafkaServer): number => server.endpoints[0]!.port

export type ScriptedServer = {
  readonly server: KafkaServer
  readonly handler: ScriptedHandler
  readonly logger: RecordingLogger
}

export async function startScripted(options: Partial<ServerOptions> = {}): Promise<ScriptedServer> {
  const handler = new ScriptedHandler()
  const logger = new RecordingLogger()
  const server = await listen(handler, {
    listeners: [loopback],
    nodeIds: [1],
    maxConnections: 100,
    idleTimeoutMs: 600_000,
    sendBufferBytes: -1,
    maxRequestBytes: 1_000_000,
    maxInFlightRequests: 64,
    maxInFlightBytes: 4_000_000,
    maxQueuedBytes: 1_000_000,
    clock: systemClock,
    logger,
    ...options,
  })
  return { server, handler, logger }
}
