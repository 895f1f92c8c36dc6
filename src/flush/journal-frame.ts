/**
 * One journal frame while it is being filled: redo records of many logs in one buffer that is used
 * again for every frame. Bytes that continue the record added last extend it, so a run of appends
 * to one log costs one record header.
 */
import { assert } from '../base/assert.ts'
import type { Offset } from '../base/types.ts'
import { pageAlignedBuffer } from '../platform/page-aligned-buffer.ts'
import {
  frameHeaderSize,
  journalPageBytes,
  paddedToPage,
  type RedoPrefix,
  recordHeaderSize,
  recordKinds,
  sealFrame,
  writeRecordEnd,
  writeRecordHeader,
} from './journal-format.ts'

/** Where data belongs: a segment by its base offset, a byte in it, and the offset after it. */
export type RedoPlace = {
  readonly baseOffset: Offset
  readonly position: number
  readonly endOffset: Offset
}

export type FrameState = { readonly sizeBytes: number; readonly recordCount: number }

const firstBufferBytes = 64 * 1024

export class JournalFrame {
  readonly #maxBytes: number
  #bytes: Buffer = Buffer.alloc(0)
  #sizeBytes = frameHeaderSize
  #recordCount = 0
  /** The record added last, as long as bytes may extend it. */
  #lastAt = -1
  #lastPrefix: RedoPrefix | undefined
  #lastBase = -1
  #lastEnd = -1
  #lastDataLength = 0

  /** @param maxBytes largest frame, padding included; a multiple of the page size. */
  constructor(maxBytes: number) {
    assert(maxBytes % journalPageBytes === 0, 'frames end at page borders')
    this.#maxBytes = maxBytes
  }

  get isEmpty(): boolean {
    return this.#recordCount === 0
  }

  /** Size in the journal, padding included. */
  get paddedBytes(): number {
    return paddedToPage(this.#sizeBytes)
  }

  /** Whether data of `length` bytes would fit. */
  hasRoom(prefix: RedoPrefix, length: number): boolean {
    const added = recordHeaderSize + prefix.bytes.length + length
    return paddedToPage(this.#sizeBytes + added) <= this.#maxBytes
  }

  /**
   * Adds `bytes[start, end)`. @returns false when the frame has no room; nothing was added then.
   * Allocates only while the buffer grows.
   */
  addWrite(
    prefix: RedoPrefix,
    baseOffset: Offset,
    position: number,
    endOffset: Offset,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    const at = this.#reserve(prefix, baseOffset, position, endOffset, end - start)
    if (at < 0) return false
    this.#bytes.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), at)
    return true
  }

  /** Adds `length` bytes that `read` puts into the memory it is given; nothing when it throws. */
  addRead(
    prefix: RedoPrefix,
    place: RedoPlace,
    length: number,
    read: (target: Buffer) => void,
  ): boolean {
    const { baseOffset, position, endOffset } = place
    const before = this.save()
    const at = this.#reserve(prefix, baseOffset, position, endOffset, length)
    if (at < 0) return false
    try {
      read(this.#bytes.subarray(at, at + length))
    } catch (error) {
      this.restore(before)
      throw error
    }
    return true
  }

  /** Voids what earlier records say of this log at or after `place`. */
  addCut(prefix: RedoPrefix, place: RedoPlace): boolean {
    return this.#addWithoutData(recordKinds.cut, prefix, place)
  }

  /** Says that the group of frame `sequence` was taken back from this log and all others. */
  addTakenBack(prefix: RedoPrefix, sequence: number): boolean {
    const place = { baseOffset: sequence as Offset, position: 0, endOffset: 0 as Offset }
    return this.#addWithoutData(recordKinds.takenBack, prefix, place)
  }

  #addWithoutData(kind: number, prefix: RedoPrefix, place: RedoPlace): boolean {
    if (!this.#grow(recordHeaderSize + prefix.bytes.length)) return false
    this.#begin(kind, prefix, place)
    this.#lastAt = -1
    return true
  }

  /** What is in the frame now, for `restore`. What is added next begins a record of its own. */
  save(): FrameState {
    this.#lastAt = -1
    return { sizeBytes: this.#sizeBytes, recordCount: this.#recordCount }
  }

  /** Takes back what was added since `state` was saved. */
  restore(state: FrameState): void {
    this.#sizeBytes = state.sizeBytes
    this.#recordCount = state.recordCount
    this.#lastAt = -1
  }

  /** Makes room for data and accounts for it; −1 when there is none. */
  #reserve(
    prefix: RedoPrefix,
    baseOffset: Offset,
    position: number,
    endOffset: Offset,
    length: number,
  ): number {
    const isMore =
      this.#lastAt >= 0 &&
      this.#lastPrefix === prefix &&
      this.#lastBase === baseOffset &&
      this.#lastEnd === position
    const headerBytes = isMore ? 0 : recordHeaderSize + prefix.bytes.length
    if (!this.#grow(headerBytes + length)) return -1
    if (!isMore) this.#begin(recordKinds.write, prefix, { baseOffset, position, endOffset })
    const at = this.#sizeBytes
    this.#sizeBytes += length
    this.#lastEnd = position + length
    this.#lastDataLength += length
    writeRecordEnd(this.#bytes, this.#lastAt, endOffset, this.#lastDataLength)
    return at
  }

  #begin(kind: number, prefix: RedoPrefix, place: RedoPlace): void {
    this.#lastAt = this.#sizeBytes
    this.#lastPrefix = prefix
    this.#lastBase = place.baseOffset
    this.#lastDataLength = 0
    this.#sizeBytes = writeRecordHeader(this.#bytes, this.#lastAt, kind, prefix, place)
    this.#recordCount++
  }

  #grow(addedBytes: number): boolean {
    const needed = paddedToPage(this.#sizeBytes + addedBytes)
    if (needed > this.#maxBytes) return false
    if (needed <= this.#bytes.length) return true
    const capacity = Math.max(needed, 2 * this.#bytes.length, firstBufferBytes)
    const grown = pageAlignedBuffer(Math.min(capacity, this.#maxBytes))
    this.#bytes.copy(grown, 0, 0, this.#sizeBytes)
    this.#bytes = grown
    return true
  }

  /** The frame as it goes to the journal, padded with zeros; valid until the next change. */
  finish(sequence: number): Buffer {
    const { paddedBytes } = this
    this.#bytes.fill(0, this.#sizeBytes, paddedBytes)
    sealFrame(this.#bytes, this.#sizeBytes, this.#recordCount, sequence)
    return this.#bytes.subarray(0, paddedBytes)
  }

  /** Empties the frame and keeps its memory. */
  reset(): void {
    this.#sizeBytes = frameHeaderSize
    this.#recordCount = 0
    this.#lastAt = -1
    this.#lastPrefix = undefined
  }
}
