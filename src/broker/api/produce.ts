/**
 * Produce: one record batch per partition, appended in the order of the request and written to
 * the file from the receive buffer itself.
 *
 *     acks 0     no answer; an error closes the connection, which is how the client learns of it
 *     acks 1     answered at the level configured for it, normally `os`
 *     acks all   normally `disk`: on stable storage before the answer
 *
 * A topic's own `stratalog.acks.1.level` and `stratalog.acks.all.level` go before the server's.
 *
 * Everything is appended before the handler returns, so several requests in flight on one
 * connection are appended in their order; only the wait for `disk` is left. Versions 0–2 carried
 * record formats that are gone: they are advertised (librdkafka before 2.11.1 looks for them) and
 * answered with UNSUPPORTED_VERSION.
 */
import { InvalidBatchError, TimestampError } from '../../base/errors.ts'
import type { DurabilityLevel } from '../../base/types.ts'
import type { Log } from '../../log/log.ts'
import { defineApi, type RequestOf, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, int16, int32, int64, records, string, struct, uuid } from '../../protocol/schema.ts'
import { attributesAt, transactionalBit } from '../../record/batch-format.ts'
import type { Topic } from '../../store/topic.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import { errorMessageOf } from '../error-mapping.ts'
import { RefusedRequestError } from '../frame-handler.ts'
import { findLog, findTopic } from '../partition-lookup.ts'
import { type RequestContext, type ServedApi, serve } from '../served-api.ts'

export const produceApi = defineApi({
  key: 0,
  name: 'Produce',
  versions: '0-13',
  flexible: '9+',
  request: {
    transactionalId: string('3+', { nullable: '3+', default: null }),
    acks: int16(),
    timeoutMs: int32(),
    topicData: array({
      name: string('0-12', { ignorable: true }),
      topicId: uuid('13+', { ignorable: true }),
      partitionData: array({
        index: int32(),
        records: records('0+', { nullable: '0+' }),
      }),
    }),
  },
  response: {
    responses: array({
      name: string('0-12', { ignorable: true }),
      topicId: uuid('13+', { ignorable: true }),
      partitionResponses: array({
        index: int32(),
        errorCode: int16(),
        baseOffset: int64(),
        logAppendTimeMs: int64('2+', { default: -1, ignorable: true }),
        logStartOffset: int64('5+', { default: -1, ignorable: true }),
        recordErrors: array(
          {
            batchIndex: int32('8+'),
            batchIndexErrorMessage: string('8+', { nullable: '8+', default: null }),
          },
          '8+',
          { ignorable: true },
        ),
        errorMessage: string('8+', { nullable: '8+', default: null, ignorable: true }),
        currentLeader: struct(
          {
            leaderId: int32('10+', { default: -1 }),
            leaderEpoch: int32('10+', { default: -1 }),
          },
          '10+',
          { tag: 0 },
        ),
      }),
    }),
    throttleTimeMs: int32('1+', { default: 0, ignorable: true }),
    nodeEndpoints: array(
      {
        nodeId: int32('10+'),
        host: string('10+'),
        port: int32('10+'),
        rack: string('10+', { nullable: '10+', default: null }),
      },
      '10+',
      { tag: 0 },
    ),
  },
})

type Request = RequestOf<typeof produceApi>
type Response = ResponseInputOf<typeof produceApi>
type PartitionAnswer = Response['responses'][number]['partitionResponses'][number]

/** An append whose answer has to wait for a level. */
type Pending = {
  readonly log: Log
  readonly level: DurabilityLevel
  readonly endOffset: number
  readonly answer: PartitionAnswer
}

const firstVersionOfBatches = 3
const firstVersionOfZstd = 7

export const produce: ServedApi = serve(produceApi, {
  handle(broker, request, context) {
    const refused = refusal(request, context)
    if (refused !== undefined) return finish(fail(request, refused), request, context)
    const pending: Pending[] = []
    const response = {
      responses: request.topicData.map(({ name, topicId, partitionData }) => {
        const topic = findTopic(broker.store, { name, topicId })
        const level = levelOf(broker, topic, request.acks)
        const partitionResponses = partitionData.map(({ index, records }) => {
          const appended = append(broker, topic, index, records, { context, level })
          if (!('log' in appended)) return appended
          // A batch is in the kernel when the append returns: only `disk` is worth waiting for.
          if (level === 'disk') pending.push(appended)
          return appended.answer
        })
        return { name, topicId, partitionResponses }
      }),
    }
    if (pending.length === 0) return finish(response, request, context)
    return settle(broker, pending, request.timeoutMs).then(() => finish(response, request, context))
  },
  fail: (request, errorCode) => (request.acks === 0 ? undefined : fail(request, errorCode)),
  mayOverlap: true,
  borrowsBytes: true,
})

/** What is wrong with the whole request. */
function refusal(request: Request, { apiVersion }: RequestContext): ErrorCode | undefined {
  if (apiVersion < firstVersionOfBatches) return errorCodes.unsupportedVersion
  if (request.acks < -1 || request.acks > 1) return errorCodes.invalidRequiredAcks
  return undefined
}

function levelOf(
  { settings }: BrokerEnvironment,
  topic: Topic | ErrorCode,
  acks: number,
): DurabilityLevel {
  if (acks === 0) return 'memory'
  const name = acks === 1 ? 1 : 'all'
  const own = typeof topic === 'number' ? undefined : topic.config.acksLevels[name]
  return own ?? settings.acksLevels[name]
}

function finish(response: Response, request: Request, context: RequestContext): Response | null {
  if (request.acks !== 0) return response
  for (const { name, partitionResponses } of response.responses) {
    for (const { index, errorCode, errorMessage } of partitionResponses) {
      if (errorCode === errorCodes.none) continue
      const reason = `${errorCodeName(errorCode)} for ${name}-${index}: ${errorMessage}`
      throw new RefusedRequestError(`produce with acks=0 failed: ${reason}`, {
        apiKey: produceApi.key,
        ...context,
      })
    }
  }
  return null
}

function append(
  broker: BrokerEnvironment,
  topic: Topic | ErrorCode,
  index: number,
  records: Buffer | null,
  { context, level }: { readonly context: RequestContext; readonly level: DurabilityLevel },
): PartitionAnswer | Pending {
  const log = findLog(broker, topic, index)
  if (typeof log === 'number') return failure(index, log, errorCodeName(log))
  const isRefused =
    typeof topic !== 'number' &&
    (topic.table !== undefined || (topic.isInternal && context.clientId !== '__admin_client'))
  if (isRefused) {
    return failure(index, errorCodes.invalidTopicException, 'the topic is internal')
  }
  try {
    const bytes = records ?? Buffer.alloc(0)
    refuseTransactional(bytes)
    const allowZstd = context.apiVersion >= firstVersionOfZstd
    const { baseOffset, lastOffset, appendTimeMs } = log.appendBatch(bytes, 0, bytes.length, {
      allowZstd,
      level,
    })
    const answer = {
      index,
      errorCode: errorCodes.none as number,
      baseOffset: baseOffset as number,
      logAppendTimeMs: appendTimeMs,
      logStartOffset: log.startOffset as number,
      recordErrors: [],
      errorMessage: null,
    }
    return { log, level, endOffset: lastOffset + 1, answer }
  } catch (error) {
    return {
      ...failure(index, broker.faults.codeOf(error), errorMessageOf(error)),
      recordErrors: blame(error),
    }
  }
}

/** There is no transaction coordinator: nobody could ever commit such a batch. */
function refuseTransactional(bytes: Buffer): void {
  if (bytes.length < attributesAt + 2) return
  if ((bytes.readInt16BE(attributesAt) & transactionalBit) === 0) return
  throw new InvalidBatchError('transactional batches are not served')
}

/** All records at fault, when records are: clients tell these from the others in the batch. */
function blame(error: unknown): { batchIndex: number; batchIndexErrorMessage: string }[] {
  if (!(error instanceof InvalidBatchError || error instanceof TimestampError)) return []
  return error.faults.map(({ recordIndex, reason }) => ({
    batchIndex: recordIndex,
    batchIndexErrorMessage: reason,
  }))
}

/** Resolves when every append reached its level; one that fails or is late has its error in its answer. */
function settle(
  { clock, faults }: BrokerEnvironment,
  pending: readonly Pending[],
  timeoutMs: number,
): Promise<void> {
  return new Promise((resolve) => {
    const waiting = new Set(pending)
    const end = (one: Pending, error?: unknown): void => {
      if (!waiting.delete(one)) return
      if (error !== undefined) refuse(one, faults.codeOf(error), errorMessageOf(error))
      if (waiting.size > 0) return
      timer.cancel()
      resolve()
    }
    const timer = clock.after(Math.max(timeoutMs, 0), () => {
      for (const one of waiting) refuse(one, errorCodes.requestTimedOut, 'not on disk in time')
      waiting.clear()
      resolve()
    })
    for (const one of pending) {
      one.log.settled(one.level, one.endOffset).then(
        () => end(one),
        (error: unknown) => end(one, error),
      )
    }
  })
}

function refuse({ answer }: Pending, errorCode: ErrorCode, message: string): void {
  Object.assign(answer, failure(answer.index, errorCode, message))
}

function fail(request: Request, errorCode: ErrorCode): Response {
  const message = errorCodeName(errorCode)
  return {
    responses: request.topicData.map(({ name, topicId, partitionData }) => ({
      name,
      topicId,
      partitionResponses: partitionData.map(({ index }) => failure(index, errorCode, message)),
    })),
  }
}

function failure(index: number, errorCode: ErrorCode, errorMessage: string): PartitionAnswer {
  return {
    index,
    errorCode,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    recordErrors: [],
    errorMessage,
  }
}
