/**
 * What a log remembers of each idempotent producer: its epoch and its last five batches, so that a
 * batch sent again is answered with its first offset instead of being stored twice (KIP-98).
 *
 * Bounded by expiry: a producer silent for `expiryMs` of record time is forgotten.
 */
import { assert } from '../base/assert.ts'
import { OutOfOrderSequenceError, ProducerFencedError } from '../base/errors.ts'
import type { Offset } from '../base/types.ts'
import type { BatchView } from '../record/batch-view.ts'
import { advanceSequence, retreatSequence } from '../record/sequence.ts'

/** Batches remembered per producer: what a client may have in flight. */
export const rememberedBatches = 5

export type ProducerBatch = {
  readonly lastSequence: number
  readonly lastOffset: Offset
  /** Last offset − first offset, and likewise for the sequences. */
  readonly offsetDelta: number
  readonly timestamp: number
}

export type ProducerEntry = {
  readonly producerId: number
  epoch: number
  /** Oldest first, at most `rememberedBatches`. */
  batches: ProducerBatch[]
  lastTimestamp: number
  coordinatorEpoch: number
  /** First offset of the open transaction, or −1. */
  transactionFirstOffset: number
}

export class ProducerState {
  /** Made with the first producer: most logs have none. */
  #producers: Map<number, ProducerEntry> | undefined
  /** Offset up to which (exclusive) the state covers the log. */
  endOffset: Offset

  constructor(endOffset: Offset) {
    this.endOffset = endOffset
  }

  get producerCount(): number {
    return this.#producers?.size ?? 0
  }

  entries(): Iterable<ProducerEntry> {
    return this.#producers?.values() ?? []
  }

  get(producerId: number): ProducerEntry | undefined {
    return this.#producers?.get(producerId)
  }

  load(entry: ProducerEntry): void {
    this.#producers ??= new Map()
    this.#producers.set(entry.producerId, entry)
  }

  clear(endOffset: Offset): void {
    this.#producers = undefined
    this.endOffset = endOffset
  }

  /**
   * Whether a client's batch may be appended. Returns the remembered batch when it is a duplicate
   * (same first and last sequence), undefined when it is next in line.
   *
   * @throws ProducerFencedError      the batch has an older epoch than the producer's newest.
   * @throws OutOfOrderSequenceError  its first sequence does not follow the last one.
   */
  check(batch: BatchView): ProducerBatch | undefined {
    const { producerId, producerEpoch, baseSequence } = batch
    assert(producerId >= 0, 'only idempotent batches are checked')
    const entry = this.#producers?.get(producerId)
    if (entry === undefined) return undefined
    if (producerEpoch < entry.epoch) {
      throw new ProducerFencedError(
        `producer ${producerId} wrote with epoch ${producerEpoch} but its newest is ${entry.epoch}`,
      )
    }
    if (producerEpoch > entry.epoch) {
      if (baseSequence === 0) return undefined
      throw outOfOrder(producerId, baseSequence, 0)
    }
    const duplicate = entry.batches.find(
      (known) =>
        known.lastSequence === batch.lastSequence &&
        retreatSequence(known.lastSequence, known.offsetDelta) === baseSequence,
    )
    if (duplicate !== undefined) return duplicate
    const last = entry.batches.at(-1)
    const expected = last === undefined ? 0 : advanceSequence(last.lastSequence, 1)
    if (baseSequence !== expected) throw outOfOrder(producerId, baseSequence, expected)
    return undefined
  }

  /** Notes an appended batch, without judging it: recovery replays what is stored. */
  note(batch: BatchView): void {
    this.endOffset = batch.nextOffset
    const { producerId } = batch
    if (producerId < 0) return
    const entry = this.#entryOf(producerId)
    if (batch.isControl) {
      this.#noteMarker(entry, batch)
      return
    }
    if (entry.epoch !== batch.producerEpoch) {
      entry.epoch = batch.producerEpoch
      entry.batches = []
    }
    entry.batches.push({
      lastSequence: batch.lastSequence,
      lastOffset: batch.lastOffset,
      offsetDelta: batch.lastOffsetDelta,
      timestamp: batch.maxTimestamp,
    })
    if (entry.batches.length > rememberedBatches) entry.batches.shift()
    entry.lastTimestamp = batch.maxTimestamp
    if (batch.isTransactional && entry.transactionFirstOffset < 0) {
      entry.transactionFirstOffset = batch.baseOffset
    }
  }

  /** An end marker closes the transaction; it carries the epoch the producer has from here on. */
  #noteMarker(entry: ProducerEntry, batch: BatchView): void {
    if (batch.recordCount === 0) return
    if (entry.epoch !== batch.producerEpoch) {
      entry.epoch = batch.producerEpoch
      entry.batches = []
    }
    entry.lastTimestamp = batch.maxTimestamp
    entry.transactionFirstOffset = -1
  }

  /** Forgets producers silent since before `beforeMs`, except those with an open transaction. */
  expire(beforeMs: number): void {
    for (const [producerId, entry] of this.#producers ?? []) {
      if (entry.transactionFirstOffset < 0 && entry.lastTimestamp <= beforeMs) {
        this.#producers?.delete(producerId)
      }
    }
  }

  #entryOf(producerId: number): ProducerEntry {
    let entry = this.#producers?.get(producerId)
    if (entry === undefined) {
      entry = {
        producerId,
        epoch: -1,
        batches: [],
        lastTimestamp: -1,
        coordinatorEpoch: -1,
        transactionFirstOffset: -1,
      }
      this.load(entry)
    }
    return entry
  }
}

function outOfOrder(
  producerId: number,
  sequence: number,
  expected: number,
): OutOfOrderSequenceError {
  return new OutOfOrderSequenceError(
    `producer ${producerId} sent sequence ${sequence}: expected ${expected}`,
  )
}
