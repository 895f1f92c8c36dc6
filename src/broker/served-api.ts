/**
 * An API as the broker serves it: its description and what to do with a request. A file in api/
 * makes one with `serve`; api-table.ts lists them all.
 */
import type { Api, RequestOf, ResponseInputOf } from '../protocol/api.ts'
import type { ErrorCode } from '../protocol/error-codes.ts'
import type { BrokerEnvironment } from './broker-environment.ts'
import type { ConnectionContext } from './frame-handler.ts'

export type RequestContext = ConnectionContext & {
  readonly apiVersion: number
  readonly clientId: string | null
}

/** `null`: the request gets no answer. */
type Outcome<A extends Api> = ResponseInputOf<A> | null

export type Serving<A extends Api> = {
  /**
   * Answers one request. Errors that have a place in the response are answered; what is thrown is
   * a bug of ours, except RefusedRequestError.
   */
  handle(
    broker: BrokerEnvironment,
    request: RequestOf<A>,
    context: RequestContext,
  ): Outcome<A> | Promise<Outcome<A>>
  /** The answer that says `errorCode` for everything asked; undefined when there is no place. */
  fail(request: RequestOf<A>, errorCode: ErrorCode): ResponseInputOf<A> | undefined
  /**
   * Requests behind it on its connection may begin before it is answered. For what only waits;
   * whatever changes topics keeps those behind it back.
   */
  readonly mayOverlap?: boolean
  /**
   * Bytes in the request may be used until `handle` returns, and no longer: the memory is received into
   * again. Else the request has a copy. Strings are always its own.
   */
  readonly borrowsBytes?: boolean
}

/** The same with its types forgotten, for the table. */
export type ServedApi = { readonly api: Api } & Serving<Api>

export function serve<A extends Api>(api: A, serving: Serving<A>): ServedApi {
  return { api, ...serving } as unknown as ServedApi
}
