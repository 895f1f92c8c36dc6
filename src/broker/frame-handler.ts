/**
 * The seam between net and broker: a connection hands over whole request frames in arrival order
 * and sends back whole answer frames in that same order. Neither knows more of the other.
 */
import type { WireFrame } from '../protocol/wire-writer.ts'

export interface FrameHandler {
  /**
   * Begins one request. What must happen in arrival order (an append) has happened on return;
   * only waiting is left to a promise.
   *
   * @param frame       without its length prefix. Its memory is the caller's again on return.
   * @returns           the answer, `null` for a request that gets none, or a promise of either.
   * @throws RefusedRequestError, here or from the promise: the connection must be closed.
   */
  handle(frame: Buffer, connection: ConnectionContext): Answer | PendingAnswer
}

export type Answer = WireFrame | null

export type PendingAnswer = {
  readonly answer: Promise<Answer>
  /** The next request of this connection may only begin when this one is answered. */
  readonly holdsNext: boolean
}

export function isPending(outcome: Answer | PendingAnswer): outcome is PendingAnswer {
  return outcome !== null && 'answer' in outcome
}

/** A broker as clients of one listener reach it. */
export type BrokerEndpoint = {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

/** The address a client came to, and where it was told to connect: what Metadata names. */
export type ListenerContext = BrokerEndpoint & {
  readonly name: string
  /** All brokers as clients of this listener reach them, this one included, by node id. */
  readonly brokers: readonly BrokerEndpoint[]
}

export type ConnectionContext = {
  readonly listener: ListenerContext
  /** Remote address and port, for logs. */
  readonly peer: string
  /** Aborted when the peer is gone or the server stops: whatever is parked must answer now. */
  readonly signal: AbortSignal
}

/**
 * The request cannot be answered: undecodable, unknown, or failed where the protocol has no place
 * to say so. The connection is closed with one log line made of these fields.
 */
export class RefusedRequestError extends Error {
  override readonly name = 'RefusedRequestError'
  readonly apiKey: number | undefined
  readonly apiVersion: number | undefined
  readonly clientId: string | null | undefined

  constructor(
    reason: string,
    request: {
      readonly apiKey?: number
      readonly apiVersion?: number
      readonly clientId?: string | null | undefined
    },
    options?: ErrorOptions,
  ) {
    super(reason, options)
    this.apiKey = request.apiKey
    this.apiVersion = request.apiVersion
    this.clientId = request.clientId
  }
}
