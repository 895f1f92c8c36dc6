/**
 * Every operating error of the engine: disk full, bad bytes, out of range. Callers switch on
 * `code`; each code has one class here and one line in docs/errors.md. Invariant errors
 * (base/assert.ts) are another kind and are never caught.
 */
import type { FilePosition, Offset } from './types.ts'

export type LogErrorCode =
  | 'ERR_LOG_CORRUPT'
  | 'ERR_BATCH_INVALID'
  | 'ERR_BATCH_CORRUPT'
  | 'ERR_BATCH_TOO_LARGE'
  | 'ERR_BATCH_MAGIC'
  | 'ERR_CODEC_UNSUPPORTED'
  | 'ERR_CODEC_UNAVAILABLE'
  | 'ERR_TIMESTAMP_OUT_OF_BOUNDS'
  | 'ERR_OFFSET_OUT_OF_RANGE'
  | 'ERR_OFFSET_EXHAUSTED'
  | 'ERR_SEQUENCE_OUT_OF_ORDER'
  | 'ERR_PRODUCER_FENCED'
  | 'ERR_EPOCH_FENCED'
  | 'ERR_LOG_FAILED'
  | 'ERR_CLOSED'
  | 'ERR_STORE_LOCKED'
  | 'ERR_STORE_FORMAT'
  | 'ERR_STORAGE'
  | 'ERR_OPTION_INVALID'
  | 'ERR_TOPIC_UNKNOWN'
  | 'ERR_TOPIC_EXISTS'
  | 'ERR_TOPIC_INVALID'
  | 'ERR_PARTITION_UNKNOWN'
  | 'ERR_LISTEN'
  | 'ERR_CONFLICT'
  | 'ERR_TABLE_CODEC'
  | 'ERR_TABLE_FULL'
  | 'ERR_WATCH_OVERFLOW'
  | 'ERR_COMMIT_STALE'

export abstract class LogError extends Error {
  abstract readonly code: LogErrorCode
}

/** Stored bytes contradict their own checksum or length. Recovery truncates, a read reports. */
export class CorruptionError extends LogError {
  override readonly name = 'CorruptionError'
  override readonly code = 'ERR_LOG_CORRUPT'
  readonly path: string
  readonly position: FilePosition

  constructor(
    details: { path: string; position: FilePosition; reason: string },
    options?: ErrorOptions,
  ) {
    super(`${details.reason} at byte ${details.position} of ${details.path}`, options)
    this.path = details.path
    this.position = details.position
  }
}

/** One record that makes its batch unacceptable. */
export type RecordFault = {
  /** Place of the record in its batch, from 0. */
  readonly recordIndex: number
  readonly reason: string
}

/**
 * A batch offered for append breaks the rules of its format (counts, deltas, control bit…).
 * `recordIndex` names the first record at fault when records are to blame; `faults` has all of
 * them in order, the first 10,000 at most.
 */
export class InvalidBatchError extends LogError {
  override readonly name = 'InvalidBatchError'
  override readonly code = 'ERR_BATCH_INVALID'
  readonly recordIndex: number | undefined
  readonly faults: readonly RecordFault[]

  constructor(
    reason: string,
    { faults = [] }: { faults?: readonly RecordFault[] } = {},
    options?: ErrorOptions,
  ) {
    super(reason, options)
    this.recordIndex = faults[0]?.recordIndex
    this.faults = faults
  }
}

/** A batch offered for append fails its checksum, or its lengths or compressed data are broken. */
export class CorruptBatchError extends LogError {
  override readonly name = 'CorruptBatchError'
  override readonly code = 'ERR_BATCH_CORRUPT'
}

/** A batch is larger than the log accepts. Both figures are bytes. */
export class BatchTooLargeError extends LogError {
  override readonly name = 'BatchTooLargeError'
  override readonly code = 'ERR_BATCH_TOO_LARGE'
  readonly sizeBytes: number
  readonly limitBytes: number
  /**
   * Which limit was hit: `max.message.bytes`, `segment.bytes`, the bound on the decompressed size,
   * or the journal's frame for an atomic group.
   */
  readonly limit: 'message' | 'segment' | 'decompressed' | 'group'

  constructor(details: {
    sizeBytes: number
    limitBytes: number
    limit: 'message' | 'segment' | 'decompressed' | 'group'
  }) {
    super(
      `batch of ${details.sizeBytes} bytes exceeds the ${details.limit} limit of ${details.limitBytes} bytes`,
    )
    this.sizeBytes = details.sizeBytes
    this.limitBytes = details.limitBytes
    this.limit = details.limit
  }
}

/** The batch has a format version other than 2. */
export class UnsupportedMagicError extends LogError {
  override readonly name = 'UnsupportedMagicError'
  override readonly code = 'ERR_BATCH_MAGIC'
  readonly magic: number

  constructor(magic: number) {
    super(`record format version (magic) ${magic} is not supported: expected 2`)
    this.magic = magic
  }
}

/** The batch names a compression codec that does not exist, or that this call may not use. */
export class UnsupportedCodecError extends LogError {
  override readonly name = 'UnsupportedCodecError'
  override readonly code = 'ERR_CODEC_UNSUPPORTED'
}

/**
 * The package of a codec does not load in this installation. It says nothing of the bytes: they may
 * be whole.
 */
export class CodecUnavailableError extends LogError {
  override readonly name = 'CodecUnavailableError'
  override readonly code = 'ERR_CODEC_UNAVAILABLE'
  readonly codec: string

  constructor(details: { codec: string; package: string }, options?: ErrorOptions) {
    super(
      `codec ${details.codec} cannot be used: the package ${details.package} does not load here; install it for this platform, with its optional dependencies`,
      options,
    )
    this.codec = details.codec
  }
}

/**
 * A record's timestamp is further from now than the topic accepts. Times are ms since epoch.
 * `recordIndex` names the first such record; `faults` has all records at fault, of whatever kind,
 * in order, the first 10,000 at most.
 */
export class TimestampError extends LogError {
  override readonly name = 'TimestampError'
  override readonly code = 'ERR_TIMESTAMP_OUT_OF_BOUNDS'
  readonly recordIndex: number
  readonly faults: readonly RecordFault[]

  constructor(reason: string, details: { recordIndex: number; faults?: readonly RecordFault[] }) {
    super(reason)
    const { recordIndex, faults = [{ recordIndex, reason }] } = details
    this.recordIndex = recordIndex
    this.faults = faults
  }
}

/** The offset asked for is not in `[logStart, logEnd]`. */
export class OffsetOutOfRangeError extends LogError {
  override readonly name = 'OffsetOutOfRangeError'
  override readonly code = 'ERR_OFFSET_OUT_OF_RANGE'
  readonly offset: number
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset

  constructor(details: {
    log: string
    offset: number
    logStartOffset: Offset
    logEndOffset: Offset
  }) {
    super(
      `offset ${details.offset} of ${details.log} is outside [${details.logStartOffset}, ${details.logEndOffset}]`,
    )
    this.offset = details.offset
    this.logStartOffset = details.logStartOffset
    this.logEndOffset = details.logEndOffset
  }
}

/** The log has handed out its last offset, 2^53 − 1. */
export class OffsetExhaustedError extends LogError {
  override readonly name = 'OffsetExhaustedError'
  override readonly code = 'ERR_OFFSET_EXHAUSTED'
}

/** An idempotent producer's batch does not follow the last one it wrote. */
export class OutOfOrderSequenceError extends LogError {
  override readonly name = 'OutOfOrderSequenceError'
  override readonly code = 'ERR_SEQUENCE_OUT_OF_ORDER'
}

/** An idempotent producer wrote with an epoch older than the newest one seen. */
export class ProducerFencedError extends LogError {
  override readonly name = 'ProducerFencedError'
  override readonly code = 'ERR_PRODUCER_FENCED'
}

/** A leader epoch is lower than the latest one that the log knows: another leader came after it. */
export class FencedEpochError extends LogError {
  override readonly name = 'FencedEpochError'
  override readonly code = 'ERR_EPOCH_FENCED'
  readonly log: string
  readonly epoch: number
  readonly latestEpoch: number

  constructor(details: { log: string; epoch: number; latestEpoch: number }) {
    super(
      `leader epoch ${details.epoch} of ${details.log} is over: ${details.latestEpoch} has begun`,
    )
    this.log = details.log
    this.epoch = details.epoch
    this.latestEpoch = details.latestEpoch
  }
}

/** The log took a final failure (a flush failed); `cause` is the first error. Reads go on. */
export class LogFailedError extends LogError {
  override readonly name = 'LogFailedError'
  override readonly code = 'ERR_LOG_FAILED'
}

/** The store, log, writer or server was closed before or during the call. */
export class ClosedError extends LogError {
  override readonly name = 'ClosedError'
  override readonly code = 'ERR_CLOSED'
}

/** Another process, or another store of this process, has the data directory open. */
export class StoreLockedError extends LogError {
  override readonly name = 'StoreLockedError'
  override readonly code = 'ERR_STORE_LOCKED'
  readonly path: string
  /** Process id of the holder, when it could be read. */
  readonly holderPid: number | undefined

  constructor(details: { path: string; holderPid: number | undefined }) {
    const holder =
      details.holderPid === undefined ? 'another process' : `process ${details.holderPid}`
    super(`data directory ${details.path} is in use by ${holder}`)
    this.path = details.path
    this.holderPid = details.holderPid
  }
}

/** A file of the data directory is not what it should be and cannot be rebuilt. */
export class StoreFormatError extends LogError {
  override readonly name = 'StoreFormatError'
  override readonly code = 'ERR_STORE_FORMAT'
  readonly path: string

  constructor(details: { path: string; reason: string }, options?: ErrorOptions) {
    super(`${details.path}: ${details.reason}`, options)
    this.path = details.path
  }
}

/**
 * The operating system refused an operation on a file. `errno` is its name (`ENOSPC`, `EIO`…),
 * `cause` the original error.
 */
export class StorageError extends LogError {
  override readonly name = 'StorageError'
  override readonly code = 'ERR_STORAGE'
  readonly operation: string
  readonly path: string
  readonly errno: string

  constructor(details: { operation: string; path: string; errno: string }, options?: ErrorOptions) {
    super(`${details.operation} ${details.path} failed: ${explainErrno(details.errno)}`, options)
    this.operation = details.operation
    this.path = details.path
    this.errno = details.errno
  }
}

function explainErrno(errno: string): string {
  switch (errno) {
    case 'ENOSPC':
      return 'no space left on device (ENOSPC)'
    case 'EACCES':
      return 'permission denied (EACCES)'
    case 'EROFS':
      return 'read-only file system (EROFS)'
    case 'EMFILE':
      return 'too many open files (EMFILE)'
    case 'EIO':
      return 'input/output error (EIO)'
    case 'EADDRINUSE':
      return 'another process listens there (EADDRINUSE)'
    case 'EADDRNOTAVAIL':
      return 'this machine has no such address (EADDRNOTAVAIL)'
    default:
      return errno
  }
}

/** A caller passed an option or argument out of range. */
export class InvalidOptionError extends LogError {
  override readonly name = 'InvalidOptionError'
  override readonly code = 'ERR_OPTION_INVALID'
  readonly option: string
  readonly value: unknown

  constructor(details: { option: string; value: unknown; expected: string }) {
    super(`${details.option} is ${show(details.value)}: expected ${details.expected}`)
    this.option = details.option
    this.value = details.value
  }
}

function show(value: unknown): string {
  if (typeof value === 'string')
    return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
  if (typeof value === 'object' && value !== null) return value.constructor?.name ?? 'an object'
  return String(value)
}

/** No such topic. */
export class UnknownTopicError extends LogError {
  override readonly name = 'UnknownTopicError'
  override readonly code = 'ERR_TOPIC_UNKNOWN'
}

/** A topic of that name exists already. */
export class TopicExistsError extends LogError {
  override readonly name = 'TopicExistsError'
  override readonly code = 'ERR_TOPIC_EXISTS'
}

/** The topic name is not 1–249 characters of `[a-zA-Z0-9._-]`, or is `.` or `..`. */
export class InvalidTopicError extends LogError {
  override readonly name = 'InvalidTopicError'
  override readonly code = 'ERR_TOPIC_INVALID'
}

/** The topic exists but has no such partition. */
export class UnknownPartitionError extends LogError {
  override readonly name = 'UnknownPartitionError'
  override readonly code = 'ERR_PARTITION_UNKNOWN'
}

/** The server cannot listen on its address; `errno` is the operating system's name for why. */
export class ListenError extends LogError {
  override readonly name = 'ListenError'
  override readonly code = 'ERR_LISTEN'
  readonly host: string
  readonly port: number
  readonly errno: string

  constructor(details: { host: string; port: number; errno: string }, options?: ErrorOptions) {
    super(
      `cannot listen on ${details.host}:${details.port}: ${explainErrno(details.errno)}`,
      options,
    )
    this.host = details.host
    this.port = details.port
    this.errno = details.errno
  }
}

/**
 * A log does not end, or a key of a table does not hold, what the caller expected; or the records that
 * a group was made of were truncated before it could be written. Nothing was written. `log` comes with
 * `expected` and `found`, `table` with `changeIndex`.
 */
export class ConflictError extends LogError {
  override readonly name = 'ConflictError'
  override readonly code = 'ERR_CONFLICT'
  readonly log: string | undefined
  /** Log ends, exclusive; of a truncation, the position committed and the end now. */
  readonly expected: number | undefined
  readonly found: number | undefined
  readonly table: string | undefined
  /** Place of the change at fault among those of its table, 0 first. */
  readonly changeIndex: number | undefined

  constructor(
    details:
      | { log: string; expected: number; found: number; isTruncated?: boolean }
      | { table: string; changeIndex: number },
  ) {
    if ('log' in details) {
      super(
        details.isTruncated === true
          ? `${details.log} was truncated since the records before ${details.expected} were read`
          : `${details.log} ends at offset ${details.found}: expected ${details.expected}`,
      )
      this.log = details.log
      this.expected = details.expected
      this.found = details.found
    } else {
      const { changeIndex, table } = details
      super(`change ${changeIndex} of table ${table} expected another value under its key`)
      this.table = table
      this.changeIndex = changeIndex
    }
  }
}

/** A table was asked for with codecs other than those it was made with. */
export class TableCodecError extends LogError {
  override readonly name = 'TableCodecError'
  override readonly code = 'ERR_TABLE_CODEC'
  readonly table: string

  constructor(details: { table: string; part: 'key' | 'value'; found: string; expected: string }) {
    super(
      `${details.part}s of table ${details.table} are stored as ${details.found}: expected ${details.expected}`,
    )
    this.table = details.table
  }
}

/** The entries of a table would take more memory than `maxBytes`. Nothing was written. */
export class TableFullError extends LogError {
  override readonly name = 'TableFullError'
  override readonly code = 'ERR_TABLE_FULL'
  readonly table: string
  readonly maxBytes: number

  constructor(details: { table: string; maxBytes: number }) {
    super(`table ${details.table} would hold more than its ${details.maxBytes} bytes`)
    this.table = details.table
    this.maxBytes = details.maxBytes
  }
}

/** A watcher of a table fell behind by more than its buffer; it has ended. */
export class WatchOverflowError extends LogError {
  override readonly name = 'WatchOverflowError'
  override readonly code = 'ERR_WATCH_OVERFLOW'
  readonly table: string
  readonly maxBuffered: number

  constructor(details: { table: string; maxBuffered: number }) {
    super(
      `a watcher of table ${details.table} fell more than ${details.maxBuffered} changes behind`,
    )
    this.table = details.table
    this.maxBuffered = details.maxBuffered
  }
}

/** A commit of a named consumer would go back below what is committed. Nothing was written. */
export class StaleCommitError extends LogError {
  override readonly name = 'StaleCommitError'
  override readonly code = 'ERR_COMMIT_STALE'
  readonly consumer: string
  readonly offset: number
  readonly committed: Offset

  constructor(details: { consumer: string; log: string; offset: number; committed: Offset }) {
    const { consumer, log, offset, committed } = details
    super(
      `consumer ${consumer} of ${log} has committed ${committed}: a commit of ${offset} goes back`,
    )
    this.consumer = consumer
    this.offset = offset
    this.committed = committed
  }
}
