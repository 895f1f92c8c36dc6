/** The engine's errors as the protocol's error codes. Broker code maps nowhere else. */
import { BatchTooLargeError, LogError, type LogErrorCode } from '../base/errors.ts'
import { type ErrorCode, errorCodes } from '../protocol/error-codes.ts'

const codes: Record<LogErrorCode, ErrorCode> = {
  ERR_LOG_CORRUPT: errorCodes.kafkaStorageError,
  ERR_BATCH_INVALID: errorCodes.invalidRecord,
  ERR_BATCH_CORRUPT: errorCodes.corruptMessage,
  ERR_BATCH_TOO_LARGE: errorCodes.messageTooLarge,
  ERR_BATCH_MAGIC: errorCodes.invalidRecord,
  ERR_CODEC_UNSUPPORTED: errorCodes.unsupportedCompressionType,
  ERR_CODEC_UNAVAILABLE: errorCodes.unsupportedCompressionType,
  ERR_TIMESTAMP_OUT_OF_BOUNDS: errorCodes.invalidTimestamp,
  ERR_OFFSET_OUT_OF_RANGE: errorCodes.offsetOutOfRange,
  ERR_OFFSET_EXHAUSTED: errorCodes.kafkaStorageError,
  ERR_SEQUENCE_OUT_OF_ORDER: errorCodes.outOfOrderSequenceNumber,
  ERR_PRODUCER_FENCED: errorCodes.invalidProducerEpoch,
  ERR_EPOCH_FENCED: errorCodes.fencedLeaderEpoch,
  ERR_LOG_FAILED: errorCodes.kafkaStorageError,
  // The store is closing or the topic was just deleted: look the leader up again.
  ERR_CLOSED: errorCodes.notLeaderOrFollower,
  ERR_STORE_LOCKED: errorCodes.kafkaStorageError,
  ERR_STORE_FORMAT: errorCodes.kafkaStorageError,
  ERR_STORAGE: errorCodes.kafkaStorageError,
  ERR_OPTION_INVALID: errorCodes.invalidRequest,
  ERR_TOPIC_UNKNOWN: errorCodes.unknownTopicOrPartition,
  ERR_TOPIC_EXISTS: errorCodes.topicAlreadyExists,
  ERR_TOPIC_INVALID: errorCodes.invalidTopicException,
  ERR_PARTITION_UNKNOWN: errorCodes.unknownTopicOrPartition,
  ERR_LISTEN: errorCodes.unknownServerError,
  // Tables are the store's and the broker's own: no request names one.
  ERR_CONFLICT: errorCodes.unknownServerError,
  ERR_TABLE_CODEC: errorCodes.kafkaStorageError,
  ERR_TABLE_FULL: errorCodes.kafkaStorageError,
  ERR_WATCH_OVERFLOW: errorCodes.unknownServerError,
  ERR_COMMIT_STALE: errorCodes.unknownServerError,
}

/**
 * The code of an operating error. What is not one (a bug, a broken invariant) is thrown on: it must
 * not pass for an answer.
 */
export function errorCodeOf(error: unknown): ErrorCode {
  if (!(error instanceof LogError)) throw error
  if (error instanceof BatchTooLargeError && error.limit === 'segment') {
    return errorCodes.recordListTooLarge
  }
  return codes[error.code]
}

/** The text that goes with a code. */
export function errorMessageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
