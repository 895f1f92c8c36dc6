/** What the doors of a log take and answer, and the checks of it. */
import { InvalidOptionError } from '../base/errors.ts'
import { integerOption, knownOptions, oneOfOption } from '../base/option-fields.ts'
import type { DurabilityLevel, Offset } from '../base/types.ts'
import type { BatchBuilder } from '../record/batch-builder.ts'
import type { CodecName } from '../record/codec-name.ts'
import { maxSequence } from '../record/sequence.ts'

export type Ack = {
  /** Offset of the first record. */
  readonly offset: Offset
  /** Offset of the last record, inclusive. */
  readonly lastOffset: Offset
  /** Level the batch had reached when the promise resolved. */
  readonly level: DurabilityLevel
}

export type AppendOptions = {
  /** Level to wait for; default: the topic's, which is `disk` unless set otherwise. */
  readonly level?: DurabilityLevel
  readonly compression?: CodecName
  /** Append only if the first record gets this offset; else ConflictError, and nothing is written. */
  readonly expect?: number
  /**
   * Makes the batch an idempotent producer's: sent again, also after a restart or a crash, it is not
   * written again but answered as it was the first time, whatever `expect` says.
   */
  readonly producer?: AppendProducer
}

/** Where a batch stands among those of its producer; the same window as on the wire. */
export type AppendProducer = {
  /** From `store.allocateProducerId()`. */
  readonly id: number
  /** 0 to 32,767. A higher one than before fences the lower ones, and begins at sequence 0. */
  readonly epoch: number
  /** Of the batch's first record: one after the last record before it; after 2^31 − 1 comes 0. */
  readonly sequence: number
}

export type AppendAck = Ack & {
  /** The batch was in the log already: `offset` is where. */
  readonly isDuplicate: boolean
}

export type ReadFrom = 'start' | 'end' | number

export type ReadOptions = {
  /** First offset wanted, inclusive. Default `start`. */
  readonly from?: ReadFrom
  /** Where to stop, exclusive. Default: the end of the log at the time of the call. */
  readonly to?: number
  /** Check the CRC of every batch read. Default true. */
  readonly verify?: boolean
  /** See nothing that has not reached this level. Default `os`: all that was appended. */
  readonly level?: DurabilityLevel
  /** Ends the iteration when aborted. */
  readonly signal?: AbortSignal
}

export type FollowOptions = {
  /** First offset wanted, inclusive. Default `end`. */
  readonly from?: ReadFrom
  readonly verify?: boolean
  /**
   * See nothing that has not reached this level. Default `os`. Following at `disk` asks for no
   * flush: records appear when their appender, the topic's policy or a checkpoint makes them durable.
   */
  readonly level?: DurabilityLevel
  /** Ends the iteration when aborted. */
  readonly signal?: AbortSignal
}

export type WriterOptions = {
  readonly compression?: CodecName
  /** How long a record may wait for others, in ms. Default 5; 0 = until the loop's turn ends. */
  readonly lingerMs?: number
  /** A batch goes out when it holds this many bytes, uncompressed. Default 65,536. */
  readonly batchBytes?: number
  readonly level?: DurabilityLevel
}

const levels: readonly DurabilityLevel[] = ['memory', 'os', 'disk']

export function levelOption(
  level: DurabilityLevel | undefined,
  preset: DurabilityLevel,
): DurabilityLevel {
  return oneOfOption('level', level, { default: preset, choices: levels })
}

export function expectOption(expect: number | undefined): number | undefined {
  if (expect === undefined) return undefined
  return integerOption('expect', expect, { default: 0, min: 0 })
}

export function epochOption(epoch: number): number {
  return integerOption('epoch', epoch, { default: Number.NaN, min: 0, max: 0x7fff_ffff })
}

export function setProducer(builder: BatchBuilder, producer: AppendProducer): void {
  knownOptions('producer', producer, ['id', 'epoch', 'sequence'])
  const { id, epoch, sequence } = producer
  // Required, unlike other options: there is nothing to assume.
  const rule = { default: Number.NaN, min: 0 }
  builder.setProducer({
    producerId: integerOption('producer.id', id, rule),
    producerEpoch: integerOption('producer.epoch', epoch, { ...rule, max: 0x7fff }),
    baseSequence: integerOption('producer.sequence', sequence, { ...rule, max: maxSequence }),
  })
}

/** Refuses what `Log.reached` cannot wait for. */
export function assertAwaited(level: DurabilityLevel | 'committed', offset: number): void {
  if (level !== 'committed' && !levels.includes(level)) {
    const expected = `one of ${[...levels, 'committed'].join(', ')}`
    throw new InvalidOptionError({ option: 'level', value: level, expected })
  }
  integerOption('offset', offset, { default: Number.NaN, min: 0 })
}
