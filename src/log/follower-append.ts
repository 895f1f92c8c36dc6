/**
 * Batches as a leader wrote them, for a log that follows it: what must be true before they are
 * stored byte for byte.
 *
 * Offsets and leader epochs stand in the batches, and are under no checksum: that they continue the
 * log is what tells a damaged or misdirected one. Records are not walked; the leader did that.
 * Producer windows are not looked at either, for the leader has decided, and control batches pass.
 */
import {
  ConflictError,
  CorruptBatchError,
  FencedEpochError,
  InvalidBatchError,
  InvalidOptionError,
  OffsetExhaustedError,
  UnsupportedMagicError,
} from '../base/errors.ts'
import { maxOffset, type Offset } from '../base/types.ts'
import { magicAt } from '../record/batch-format.ts'
import { BatchView } from '../record/batch-view.ts'
import { codecNameOf } from '../record/codec-name.ts'
import { checkStoredBatch } from '../record/stored-batch.ts'
import { maxRelativeOffset, type RunBatch } from '../segment/segment.ts'

export type FollowedBatch = RunBatch & {
  readonly baseOffset: Offset
  readonly leaderEpoch: number
}

/** Whole batches that may be stored as they are. */
export type BatchRun = {
  readonly bytes: Buffer
  /** One at least; they fill `bytes`. */
  readonly batches: readonly FollowedBatch[]
  readonly baseOffset: Offset
  readonly lastOffset: Offset
  /** Largest record timestamp, −1 when no record has one. */
  readonly maxTimestamp: number
}

export type RunRules = {
  /** Name of the log, for messages. */
  readonly log: string
  /** Where the caller says that the run begins. */
  readonly offset: number
  /** Epoch of the leader that sent it. */
  readonly epoch: number
  readonly logEnd: Offset
  /** The log's latest epoch, −1 for none. */
  readonly latestEpoch: number
  /** No offset may be missing. */
  readonly isDense: boolean
}

/**
 * Checks the batches that fill `given`; the bytes stay the caller's.
 *
 * @throws FencedEpochError, ConflictError (the log does not end at `offset`), InvalidBatchError,
 *         CorruptBatchError, UnsupportedMagicError, UnsupportedCodecError, OffsetExhaustedError,
 *         InvalidOptionError.
 */
export function checkRun(given: Uint8Array, rules: RunRules): BatchRun {
  const { log, offset, epoch, logEnd, latestEpoch, isDense } = rules
  if (!(given instanceof Uint8Array)) {
    throw new InvalidOptionError({ option: 'batches', value: given, expected: 'bytes' })
  }
  if (epoch < latestEpoch) throw new FencedEpochError({ log, epoch, latestEpoch })
  if (isDense ? offset !== logEnd : offset < logEnd) {
    throw new ConflictError({ log, expected: offset, found: logEnd })
  }
  const bytes = Buffer.from(given.buffer, given.byteOffset, given.byteLength)
  const batches: FollowedBatch[] = []
  const view = new BatchView()
  let before = { nextOffset: offset as Offset, leaderEpoch: Math.max(latestEpoch, 0) }
  let maxTimestamp = -1
  for (let at = 0; at < bytes.length; at += view.sizeBytes) {
    checkWhole(bytes, at)
    view.at(bytes, at)
    checkPlace(view, before, { isExact: isDense || at === 0, epoch })
    const { baseOffset, lastOffset, sizeBytes, leaderEpoch } = view
    batches.push({
      at,
      sizeBytes,
      baseOffset,
      lastOffset,
      leaderEpoch,
      maxTimestamp: view.maxTimestamp,
    })
    maxTimestamp = Math.max(maxTimestamp, view.maxTimestamp)
    before = { nextOffset: view.nextOffset, leaderEpoch }
  }
  const lastOffset = batches.at(-1)?.lastOffset
  if (lastOffset === undefined) throw new InvalidBatchError('no batch: expected one or more')
  if (lastOffset >= maxOffset) {
    throw new OffsetExhaustedError(`${log} has no offsets left after ${logEnd}`)
  }
  if (lastOffset - logEnd > maxRelativeOffset) {
    throw new InvalidBatchError(
      `the batches reach offset ${lastOffset}: expected at most ${maxRelativeOffset} above ${logEnd}`,
    )
  }
  return { bytes, batches, baseOffset: offset as Offset, lastOffset, maxTimestamp }
}

function checkWhole(bytes: Buffer, at: number): void {
  const state = checkStoredBatch(bytes, at, bytes.length)
  switch (state) {
    case 'ok':
      return
    case 'legacy-magic':
    case 'unknown-magic':
      throw new UnsupportedMagicError(bytes.readInt8(at + magicAt))
    case 'fields':
      throw new InvalidBatchError(`batch at byte ${at} has impossible offsets or counts`)
    case 'incomplete':
      throw new CorruptBatchError(
        `batch at byte ${at} is cut off: only ${bytes.length - at} bytes of it are there`,
      )
    case 'impossible-length':
      throw new CorruptBatchError(`batch at byte ${at} declares a length that no batch can have`)
    case 'crc':
      throw new CorruptBatchError(`batch at byte ${at} fails its checksum`)
  }
}

function checkPlace(
  view: BatchView,
  before: { readonly nextOffset: Offset; readonly leaderEpoch: number },
  { isExact, epoch }: { readonly isExact: boolean; readonly epoch: number },
): void {
  const { baseOffset, leaderEpoch, maxTimestamp, producerId, position } = view
  const isInPlace = isExact ? baseOffset === before.nextOffset : baseOffset >= before.nextOffset
  if (!isInPlace) {
    throw new InvalidBatchError(
      `batch at byte ${position} begins at offset ${baseOffset}: expected ${before.nextOffset}`,
    )
  }
  if (leaderEpoch < before.leaderEpoch || leaderEpoch > epoch) {
    throw new InvalidBatchError(
      `batch at offset ${baseOffset} has leader epoch ${leaderEpoch}: ` +
        `expected ${before.leaderEpoch} to ${epoch}`,
    )
  }
  if (maxTimestamp < -1) {
    throw new InvalidBatchError(`batch at offset ${baseOffset} has timestamp ${maxTimestamp}`)
  }
  if (producerId >= 0 && !view.isControl && view.baseSequence < 0) {
    throw new InvalidBatchError(
      `batch at offset ${baseOffset} of producer ${producerId} has sequence ${view.baseSequence}`,
    )
  }
  // Throws for a codec that does not exist: nobody could read it.
  codecNameOf(view.codecId)
}
