/**
 * What a table holds in memory: its entries, found by key and, once somebody asked for a range, in
 * the order of their keys. Knows neither codecs nor the log.
 *
 * Memory of entries that were replaced or deleted is won back a few entries at a time, with every
 * change, once it is more than half of what is live: the fullest of dead chunks is emptied by
 * copying what lives in it to the end.
 */
import { assert } from '../base/assert.ts'
import { BatchTooLargeError, TableFullError } from '../base/errors.ts'
import { kibibyte } from '../base/units.ts'
import {
  type Chunk,
  chunkBytes,
  dead,
  dying,
  EntryArena,
  entryHeaderSize,
  entrySize,
  live,
  placeOf,
  staged,
} from './entry-arena.ts'
import { groupSize, KeyIndex } from './key-index.ts'
import { KeyOrder } from './key-order.ts'

/** Dead memory that is always allowed. */
const minDeadBytes = 256 * kibibyte
/** Dead memory allowed as a share of what lives. */
const maxDeadShare = 0.5
/** A chunk with a smaller share of dead entries is not worth copying the others. */
const leastDeadShare = 0.25
/**
 * Entries looked at per change while memory is won back. A chunk chosen is dead to more than a
 * quarter, so that four entries looked at free one: as many keep up with a table that is overwritten.
 */
const stepsPerChange = 4
const maxEntryBytes = 2 ** 30
/** Up to this length a loop beats the calls into the runtime. */
const shortTextLength = 32

export class TableEntries {
  readonly arena: EntryArena = new EntryArena()
  readonly #index: KeyIndex
  readonly #name: string
  readonly #maxBytes: number
  #order: KeyOrder | undefined
  /** Chunk being emptied, and how far that has come. */
  #victim: { readonly chunk: Chunk; at: number } | undefined
  /** No chunk is worth emptying before so much is dead. */
  #nextDeadBytes = 0
  readonly #shortKey = Buffer.allocUnsafeSlow(shortTextLength)
  readonly #shortValue = Buffer.allocUnsafeSlow(shortTextLength)
  /** Entries, by chunk, that died before the snapshot that is being written has them; or none is. */
  #dying: Map<Chunk, number[]> | undefined

  constructor(details: {
    readonly name: string
    readonly maxBytes: number
    readonly seed: number
  }) {
    this.#name = details.name
    this.#maxBytes = details.maxBytes
    this.#index = new KeyIndex(this.arena, details.seed)
  }

  get size(): number {
    return this.#index.size
  }

  /** Memory held for entries, index and order. */
  get memoryBytes(): number {
    const order = this.#order?.capacityBytes ?? 0
    return this.arena.capacityBytes + this.#index.capacityBytes + order
  }

  get liveBytes(): number {
    return this.arena.liveBytes
  }

  /** Live entry of a key, 0 when there is none. */
  find(key: Uint8Array | string): number {
    return typeof key === 'string'
      ? this.#index.findText(key)
      : this.#index.find(key, 0, key.length)
  }

  /** The order of keys, built at the first call. O(n log n) then. */
  order(): KeyOrder {
    this.#order ??= new KeyOrder(this.arena, this.#liveRefs())
    return this.#order
  }

  /** All live entries, as they lie in memory. */
  #liveRefs(): Int32Array {
    const { arena } = this
    const refs = new Int32Array(this.size)
    let count = 0
    for (const chunk of arena.chunks()) {
      for (let at = 0; at < chunk.used; ) {
        const ref = arena.refAt(chunk.number, at)
        if (arena.stateOf(ref) === live) refs[count++] = ref
        at += arena.sizeOf(ref)
      }
    }
    assert(count === refs.length, 'every live entry has its key in the index')
    return refs
  }

  /**
   * Copies a change into memory without showing it; `value` null deletes.
   * @throws TableFullError, BatchTooLargeError.
   */
  stage(key: Uint8Array | string, value: Uint8Array | string | null): number {
    let keyBytes: Uint8Array = this.#shortKey
    let keyEnd = typeof key === 'string' ? encodeShort(key, keyBytes) : -1
    if (keyEnd < 0) {
      keyBytes = typeof key === 'string' ? Buffer.from(key) : key
      keyEnd = keyBytes.length
    }
    if (value === null) return this.stageBytes(keyBytes, 0, keyEnd, keyBytes, -1, -1)
    let valueBytes: Uint8Array = this.#shortValue
    let valueEnd = typeof value === 'string' ? encodeShort(value, valueBytes) : -1
    if (valueEnd < 0) {
      valueBytes = typeof value === 'string' ? Buffer.from(value) : value
      valueEnd = valueBytes.length
    }
    return this.stageBytes(keyBytes, 0, keyEnd, valueBytes, 0, valueEnd)
  }

  /**
   * As `stage`, of `key[keyStart, keyEnd)` and `value[valueStart, valueEnd)`; a negative
   * `valueStart` deletes.
   */
  stageBytes(
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): number {
    const keyLength = keyEnd - keyStart
    const valueLength = valueStart < 0 ? 0 : valueEnd - valueStart
    if (keyLength + valueLength >= maxEntryBytes) {
      const sizeBytes = keyLength + valueLength
      throw new BatchTooLargeError({ sizeBytes, limitBytes: maxEntryBytes, limit: 'message' })
    }
    const sizeBytes = entrySize(keyLength, valueLength)
    const isFull = valueStart >= 0 && this.arena.liveBytes + sizeBytes > this.#maxBytes
    if (isFull || !this.arena.hasRoom(sizeBytes)) {
      throw new TableFullError({ table: this.#name, maxBytes: this.#maxBytes })
    }
    return this.arena.stage(key, keyStart, keyEnd, value, valueStart, valueEnd)
  }

  /** Drops a staged change. */
  discard(ref: number): void {
    this.arena.setState(ref, dead)
  }

  /** Shows staged changes, in order; `refs` say afterwards where their entries stand. */
  settle(refs: number[]): void {
    for (let from = 0; from < refs.length; from += groupSize) {
      const to = Math.min(from + groupSize, refs.length)
      const hashes = this.#index.hashGroup(refs, from, to)
      for (let index = from; index < to; index++) {
        refs[index] = this.#settleOne(refs[index]!, hashes[index - from]!)
      }
    }
  }

  #settleOne(ref: number, hash: number): number {
    assert(this.arena.stateOf(ref) === staged, 'a change is shown once')
    if (this.arena.valueLengthOf(ref) < 0) {
      const previous = this.#index.unlink(ref, hash)
      if (previous !== 0) {
        this.#order?.remove(previous)
        this.#bury(previous)
      }
      this.arena.setState(ref, dead)
      return ref
    }
    return this.#show(ref, hash)
  }

  #show(ref: number, hash: number): number {
    if (placeOf(ref) < this.arena.chunkOf(ref).scanEnd) {
      // Staged before the running snapshot and shown after it: it is not of that snapshot.
      const copy = this.arena.copy(ref)
      this.arena.setState(ref, dead)
      ref = copy
    }
    this.arena.setState(ref, live)
    const previous = this.#index.link(ref, hash)
    if (previous === 0) this.#order?.insert(ref)
    else {
      this.#order?.replace(previous, ref)
      this.#bury(previous)
    }
    return ref
  }

  #bury(ref: number): void {
    const chunk = this.arena.chunkOf(ref)
    if (placeOf(ref) >= chunk.scanEnd) {
      this.arena.setState(ref, dead)
      return
    }
    this.arena.setState(ref, dying)
    const others = this.#dying?.get(chunk)
    if (others === undefined) this.#dying?.set(chunk, [ref])
    else others.push(ref)
  }

  /**
   * Begins a snapshot of what is live now: the entries below `scanEnd` of each chunk that are live
   * or dying, until that chunk is `scanned`; `endScan` ends it. Memory of chunks that are not scanned
   * yet is not won back.
   */
  beginScan(): Chunk[] {
    assert(this.#dying === undefined, 'one snapshot is written at a time')
    this.#dying = new Map()
    this.#victim = undefined
    const chunks = [...this.arena.chunks()]
    for (const chunk of chunks) chunk.scanEnd = chunk.used
    return chunks
  }

  /** The snapshot has what it wants of a chunk. */
  scanned(chunk: Chunk): void {
    for (const ref of this.#dying?.get(chunk) ?? []) this.arena.setState(ref, dead)
    this.#dying?.delete(chunk)
    chunk.scanEnd = 0
    this.#nextDeadBytes = 0
  }

  /** Ends it, done or not. Memory in which all is dead goes: nobody may change anything for long. */
  endScan(): void {
    const { arena } = this
    for (const chunk of [...arena.chunks()]) {
      if (chunk.scanEnd > 0) this.scanned(chunk)
      if (chunk.used > chunk.deadBytes || chunk.number === arena.tail) continue
      if (this.#victim?.chunk === chunk) this.#victim = undefined
      arena.release(chunk.number)
    }
    this.#dying = undefined
    this.#nextDeadBytes = 0
  }

  /** Takes over a block of a snapshot. Returns how many entries, −1 when a key is there already. */
  adopt(bytes: Buffer, sizeAt: (bytes: Buffer, at: number) => number): number {
    this.arena.adopt(bytes, bytes.length)
    const number = this.arena.tail
    const group: number[] = []
    let count = 0
    for (let at = 0; at < bytes.length; ) {
      group.push(this.arena.refAt(number, at))
      at += sizeAt(bytes, at)
      if (group.length < groupSize && at < bytes.length) continue
      const hashes = this.#index.hashGroup(group, 0, group.length)
      for (let index = 0; index < group.length; index++) {
        if (this.#index.link(group[index]!, hashes[index]!) !== 0) return -1
      }
      count += group.length
      group.length = 0
    }
    return count
  }

  /** Wins back memory in proportion to `changes` made. Entries move: references are void then. */
  reclaim(changes: number): void {
    let steps = changes * stepsPerChange
    this.#victim ??= this.#chooseVictim()
    if (this.#victim === undefined) return
    if (this.#victim.chunk.deadBytes === this.#victim.chunk.used) steps = Infinity
    const { chunk } = this.#victim
    const { arena } = this
    while (steps-- > 0 && this.#victim.at < chunk.used) {
      const ref = arena.refAt(chunk.number, this.#victim.at)
      this.#victim.at += arena.sizeOf(ref)
      if (arena.stateOf(ref) !== live) continue
      const moved = arena.copy(ref)
      this.#index.link(moved)
      this.#order?.replace(ref, moved)
      arena.setState(ref, dead)
    }
    if (this.#victim.at < chunk.used) return
    this.#victim = undefined
    arena.release(chunk.number)
  }

  #chooseVictim(): { chunk: Chunk; at: number } | undefined {
    const { arena } = this
    const { deadBytes } = arena
    if (deadBytes <= Math.max(minDeadBytes, arena.liveBytes * maxDeadShare)) return undefined
    if (deadBytes < this.#nextDeadBytes) return undefined
    let best: Chunk | undefined
    let bestShare = leastDeadShare
    for (const chunk of arena.chunks()) {
      const share = chunk.deadBytes / chunk.used
      if (share <= bestShare || chunk.scanEnd > 0) continue
      if (chunk.number === arena.tail || chunk.stagedCount > 0) continue
      best = chunk
      bestShare = share
    }
    this.#nextDeadBytes = best === undefined ? deadBytes + chunkBytes : 0
    return best && { chunk: best, at: 0 }
  }

  /** Whether the bytes under `ref` are `expected`; `ref` 0 holds nothing. */
  holds(ref: number, expected: Buffer | undefined): boolean {
    if (ref === 0 || expected === undefined) return ref === 0 && expected === undefined
    const { arena } = this
    const length = arena.valueLengthOf(ref)
    if (length !== expected.length) return false
    const start = placeOf(ref) + entryHeaderSize + arena.keyLengthOf(ref)
    return arena.bytesOf(ref).compare(expected, 0, length, start, start + length) === 0
  }
}

/** Writes text that is ASCII and fits as UTF-8 and returns its length, −1 for any other. */
function encodeShort(text: string, bytes: Uint8Array): number {
  const { length } = text
  if (length > bytes.length) return -1
  let units = 0
  for (let index = 0; index < length; index++) {
    const unit = text.charCodeAt(index)
    bytes[index] = unit
    units |= unit
  }
  return units <= 0x7f ? length : -1
}
