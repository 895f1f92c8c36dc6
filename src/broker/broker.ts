/**
 * Turns request frames into answer frames: header, version, body, handler, answer. Knows no socket
 * and no API; both are given to it.
 */
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { InvalidOptionError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import {
  type Api,
  isFlexible,
  type RequestOf,
  type ResponseInputOf,
  readRequest,
  writeResponse,
} from '../protocol/api.ts'
import { type ErrorCode, errorCodes } from '../protocol/error-codes.ts'
import { type RequestHeader, readClientId, readRequestKey } from '../protocol/headers.ts'
import { ProtocolError } from '../protocol/protocol-error.ts'
import { inRange } from '../protocol/schema.ts'
import { WireReader } from '../protocol/wire-reader.ts'
import type { Store } from '../store/store.ts'
import { clusterTopic } from '../store/store-layout.ts'
import { apiVersionsApi } from './api/api-versions.ts'
import { servedApis } from './api-table.ts'
import type { ApiVersionRange, BrokerEnvironment, BrokerSettings } from './broker-environment.ts'
import { ClientQuotas } from './client-quotas.ts'
import { Cluster } from './cluster.ts'
import { warnOfCompaction } from './compaction-notice.ts'
import { ParkingLot } from './delayed-fetch.ts'
import { FetchSessions } from './fetch-sessions.ts'
import {
  type Answer,
  type ConnectionContext,
  type FrameHandler,
  type PendingAnswer,
  RefusedRequestError,
} from './frame-handler.ts'
import { GroupCoordinator } from './groups/group-coordinator.ts'
import { openGroupTable } from './groups/group-table.ts'
import { IdleBrokerConfig } from './idle-broker-config.ts'
import { LazyTable } from './lazy-table.ts'
import { RecentDeletions } from './recent-deletions.ts'
import { releaseSlices } from './release-slices.ts'
import { ScramCredentials } from './scram-credentials.ts'
import type { RequestContext, ServedApi } from './served-api.ts'
import { StorageFaults } from './storage-faults.ts'

/** A decoded request and all that its answer needs. */
type Exchange = {
  readonly served: ServedApi
  readonly correlationId: number
  readonly request: RequestOf<Api>
  readonly context: RequestContext
}

export type BrokerDetails = {
  readonly store: Store
  readonly settings: BrokerSettings
  readonly clock: Clock
  readonly logger: Logger
}

/** Stores whose groups a broker keeps: two would overwrite each other's table. */
const storesWithGroups = new WeakSet<Store>()

export class Broker implements FrameHandler {
  readonly #environment: BrokerEnvironment
  readonly #served: ReadonlyMap<number, ServedApi>
  #ownsGroups = false

  constructor(details: BrokerDetails) {
    this.#served = new Map(servedApis.map((served) => [served.api.key, served]))
    assert(this.#served.size === servedApis.length, 'every API is served once')
    const parking = new ParkingLot(details.clock)
    const apiVersions = servedApis.map(versionRangeOf)
    const { store, settings, clock, logger } = details
    const cluster = new Cluster(store.nodeId, settings.brokerCount)
    const fetchSessions = new FetchSessions(clock, settings.fetchSessionSlots)
    const groups = new GroupCoordinator({
      settings: settings.groups,
      level: settings.acksLevels.all,
      clock,
      logger,
      topicId: (name) => store.topic(name)?.id,
    })
    const deletions = new RecentDeletions(clock)
    const topics = { creations: new Map(), deletions }
    this.#environment = {
      ...details,
      ...topics,
      cluster,
      parking,
      fetchSessions,
      groups,
      quotas: new ClientQuotas(logger),
      idleConfig: new IdleBrokerConfig(logger),
      credentials: new ScramCredentials(),
      faults: new StorageFaults(details),
      apiVersions,
    }
    for (const topic of store.topics()) warnOfCompaction(logger, topic)
  }

  /**
   * Reads what is kept of groups; until then their requests are answered that it is being loaded.
   *
   * @throws (rejects) InvalidOptionError when another broker serves the store; StoreFormatError,
   *         CorruptionError, StorageError, LogFailedError.
   */
  async open(): Promise<void> {
    const { store, groups, quotas, idleConfig, credentials, logger } = this.#environment
    if (storesWithGroups.has(store)) {
      const expected = 'a store that no other server serves'
      throw new InvalidOptionError({ option: 'store', value: store.path, expected })
    }
    storesWithGroups.add(store)
    this.#ownsGroups = true
    try {
      groups.load(await openGroupTable(store))
      const table = await LazyTable.open<unknown>(store, clusterTopic)
      quotas.load(table)
      idleConfig.load(table)
      credentials.load(table)
      const { node, cluster } = store.topicDefaults
      if (Object.keys({ ...node, ...cluster }).length > 0) {
        logger.info({ broker: node, all: cluster }, 'settings changed at run time are in effect')
      }
    } catch (error) {
      await this.close()
      throw error
    }
  }

  /** Ends all timers and answers what is parked for a group; the store may be closed then. */
  async close(): Promise<void> {
    const { store, groups } = this.#environment
    await groups.close()
    if (this.#ownsGroups) storesWithGroups.delete(store)
    this.#ownsGroups = false
  }

  handle(frame: Buffer, connection: ConnectionContext): Answer | PendingAnswer {
    const exchange = this.#decode(frame, connection)
    if ('parts' in exchange) return exchange
    const { served, request, context } = exchange
    let outcome: ReturnType<ServedApi['handle']>
    try {
      outcome = served.handle(this.#environment, request, context)
    } catch (error) {
      return this.#answerFailure(exchange, error)
    }
    if (!(outcome instanceof Promise)) return this.#encode(exchange, outcome)
    const answer = outcome.then(
      (response) => this.#encode(exchange, response),
      (error: unknown) => this.#answerFailure(exchange, error),
    )
    return { answer, holdsNext: served.mayOverlap !== true }
  }

  /** @returns the request, or already its answer when the version of ApiVersions is not ours. */
  #decode(frame: Buffer, connection: ConnectionContext): Exchange | NonNullable<Answer> {
    const reader = new WireReader(this.#kept(frame))
    let key: Omit<RequestHeader, 'clientId'> | undefined
    let clientId: string | null | undefined
    try {
      key = readRequestKey(reader)
      const { apiKey, apiVersion, correlationId } = key
      const served = this.#served.get(apiKey)
      if (served === undefined) throw new RefusedRequestError('this API is not served', key)
      const { api } = served
      if (!inRange(api.versions, apiVersion)) {
        // KIP-511: whoever asks which versions there are is told so in a version it can read.
        if (api.key === apiVersionsApi.key && apiVersion > api.versions.max) {
          return this.#answerUnknownVersion(correlationId)
        }
        throw new RefusedRequestError('this version is not served', key)
      }
      clientId = readClientId(reader, isFlexible(api, apiVersion))
      const request = readRequest(api, apiVersion, reader)
      const { listener, peer, signal } = connection
      const context = { apiVersion, clientId, listener, peer, signal }
      return { served, correlationId, request, context }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      const reason = `undecodable request: ${error.message}`
      throw new RefusedRequestError(reason, { ...key, clientId }, { cause: error })
    }
  }

  /** The frame, or a copy where the request may be needed for longer than the call. */
  #kept(frame: Buffer): Buffer {
    const apiKey = frame.length < 2 ? -1 : frame.readInt16BE(0)
    return this.#served.get(apiKey)?.borrowsBytes === true ? frame : Buffer.from(frame)
  }

  #answerUnknownVersion(correlationId: number): NonNullable<Answer> {
    return writeResponse(apiVersionsApi, 0, correlationId, {
      errorCode: errorCodes.unsupportedVersion,
      apiKeys: this.#environment.apiVersions,
    })
  }

  #encode(exchange: Exchange, response: ResponseInputOf<Api> | null): Answer {
    if (response === null) return null
    const { served, correlationId, context } = exchange
    try {
      return writeResponse(served.api, context.apiVersion, correlationId, response)
    } catch (error) {
      releaseSlices(response)
      return this.#answerFailure(exchange, error)
    }
  }

  /** A handler threw: a refusal goes on to the connection, a bug of ours is logged and answered. */
  #answerFailure(exchange: Exchange, error: unknown): Answer {
    if (error instanceof RefusedRequestError) throw error
    const { served, context } = exchange
    const { apiVersion, clientId, peer } = context
    const api = served.api.name
    this.#environment.logger.error(
      { api, apiVersion, clientId, peer, err: error },
      'request failed',
    )
    return this.#writeFailure(exchange, errorCodes.unknownServerError, error)
  }

  #writeFailure(exchange: Exchange, errorCode: ErrorCode, cause: unknown): Answer {
    const { served, correlationId, request, context } = exchange
    const { apiVersion, clientId } = context
    const response = served.fail(request, errorCode)
    if (response !== undefined) {
      return writeResponse(served.api, apiVersion, correlationId, response)
    }
    const refused = { apiKey: served.api.key, apiVersion, clientId }
    throw new RefusedRequestError(
      'the request failed and its answer has no place for errors',
      refused,
      {
        cause,
      },
    )
  }
}

function versionRangeOf({ api }: ServedApi): ApiVersionRange {
  return { apiKey: api.key, minVersion: api.versions.min, maxVersion: api.versions.max }
}
