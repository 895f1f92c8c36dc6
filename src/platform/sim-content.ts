/**
 * Content of one simulated file: what reads see (the page cache), what is on stable storage, and
 * the changes between the two, in order. A crash keeps, of those changes, what a kernel may have
 * written back by then:
 *
 * - data per sector or page and independently: any version a block had since the last flush;
 * - size as metadata, in order: any size the file had since then, or part of an extension;
 * - a block that lies inside the size but was not written back reads as zeros (ext4 and XFS);
 * - data written into blocks freed by a truncation is lost when the truncation is.
 */
import type { SimRandom } from './sim-random.ts'

export const sectorBytes = 512
export const pageBytes = 4096

/** A change not known to be on stable storage. A dropped write is one a failed flush gave up. */
type Change =
  | { kind: 'write'; sequence: number; position: number; bytes: Uint8Array; isDropped: boolean }
  | { kind: 'resize'; sequence: number; sizeBytes: number }

/** Which of the changes a crash keeps. */
export type ContentChoice =
  | { readonly keep: 'none' | 'all' | 'sizes' }
  | { readonly keep: 'random'; readonly grainBytes: number }
  /** All but the last write, which is cut at a sector boundary. */
  | { readonly keep: 'torn' }

/** Growing bytes, zero where never written. Clones share memory until one of them is written. */
class Bytes {
  #memory: Uint8Array
  #isShared = false
  sizeBytes: number

  constructor(memory: Uint8Array = new Uint8Array(0), sizeBytes = 0) {
    this.#memory = memory
    this.sizeBytes = sizeBytes
  }

  /** What is stored now; valid until the next change. */
  view(): Uint8Array {
    return this.#memory.subarray(0, this.sizeBytes)
  }

  clone(): Bytes {
    this.#isShared = true
    const copy = new Bytes(this.#memory, this.sizeBytes)
    copy.#isShared = true
    return copy
  }

  write(position: number, source: Uint8Array): void {
    if (source.length === 0) return
    const end = position + source.length
    this.#own(Math.max(end, this.sizeBytes))
    this.#memory.set(source, position)
    this.sizeBytes = Math.max(end, this.sizeBytes)
  }

  resize(sizeBytes: number): void {
    if (sizeBytes === this.sizeBytes) return
    this.#own(sizeBytes)
    // What is cut must read as zeros when the file grows again.
    if (sizeBytes < this.sizeBytes) this.#memory.fill(0, sizeBytes, this.sizeBytes)
    this.sizeBytes = sizeBytes
  }

  #own(neededBytes: number): void {
    const capacity = this.#memory.length
    if (neededBytes <= capacity && !this.#isShared) return
    const grown = neededBytes <= capacity ? capacity : Math.max(neededBytes, capacity * 2, 256)
    const memory = new Uint8Array(grown)
    memory.set(this.view())
    this.#memory = memory
    this.#isShared = false
  }
}

export class SimContent {
  #visible = new Bytes()
  #durable = new Bytes()
  #changes: Change[] = []

  get sizeBytes(): number {
    return this.#visible.sizeBytes
  }

  /** What reads see; valid until the next change. */
  view(): Uint8Array {
    return this.#visible.view()
  }

  /** Sequence number of the last un-flushed write, or −1. */
  lastWriteSequence(): number {
    return this.#changes.findLast((change) => change.kind === 'write')?.sequence ?? -1
  }

  write(sequence: number, position: number, source: Uint8Array): void {
    if (source.length === 0) return
    this.#visible.write(position, source)
    // Not `slice`: that of a Buffer is a view, and callers use their buffers again.
    const bytes = new Uint8Array(source)
    this.#changes.push({ kind: 'write', sequence, position, bytes, isDropped: false })
  }

  resize(sequence: number, sizeBytes: number): void {
    if (sizeBytes === this.sizeBytes) return
    this.#visible.resize(sizeBytes)
    this.#changes.push({ kind: 'resize', sequence, sizeBytes })
  }

  /** What a successful flush does: all changes up to `sequence` are on stable storage. */
  persist(sequence: number): void {
    for (const change of this.#changes) {
      if (change.sequence <= sequence) applyTo(this.#durable, change)
    }
    this.#changes = this.#changes.filter((change) => change.sequence > sequence)
  }

  /** What a write past the page cache does when it is done: its bytes, and no others, are on stable storage. */
  persistWrite(sequence: number): void {
    const at = this.#changes.findIndex((change) => change.sequence === sequence)
    const written = this.#changes[at]
    if (written?.kind !== 'write') return // A truncation and its flush came first.
    this.#durable.write(written.position, written.bytes)
    this.#changes.splice(at, 1)
    // What an earlier write had there is gone, whatever becomes of the rest of it.
    for (let before = 0; before < at; before++) {
      const change = this.#changes[before]!
      if (change.kind !== 'write') continue
      const bytes = new Uint8Array(change.bytes)
      overlay(bytes, change.position, written)
      this.#changes[before] = { ...change, bytes }
    }
  }

  /** A failed write past the page cache, as a failed flush of it alone. */
  dropWrite(sequence: number): void {
    for (const change of this.#changes) {
      if (change.kind === 'write' && change.sequence === sequence) change.isDropped = true
    }
  }

  /**
   * What a failed flush does, as on Linux: pages are marked clean without having been written, so
   * that reads still see them and the next flush passes over them.
   */
  drop(sequence: number): void {
    for (const change of this.#changes) {
      if (change.kind === 'write' && change.sequence <= sequence) change.isDropped = true
    }
  }

  /** Damage: turns bits of one byte, cached and stored alike. */
  flip(position: number, mask: number): void {
    this.#visible.write(position, Uint8Array.of(this.view()[position]! ^ mask))
    const stored = this.#durable.view()[position]
    if (stored !== undefined) this.#durable.write(position, Uint8Array.of(stored ^ mask))
  }

  /** The same state, changes included: what the next process sees after `kill -9`. */
  clone(): SimContent {
    const copy = new SimContent()
    copy.#visible = this.#visible.clone()
    copy.#durable = this.#durable.clone()
    copy.#changes = this.#changes.map((change) => ({ ...change }))
    return copy
  }

  /** The content after a crash, all of it on stable storage. */
  afterCrash(choice: ContentChoice, random: SimRandom): SimContent {
    const copy = new SimContent()
    copy.#durable = this.#crashed(choice, random)
    copy.#visible = copy.#durable.clone()
    return copy
  }

  #crashed(choice: ContentChoice, random: SimRandom): Bytes {
    if (this.#changes.length === 0 || choice.keep === 'none') return this.#durable.clone()
    if (choice.keep === 'random') return this.#blockwise(choice.grainBytes, random)
    const kept = this.#durable.clone()
    const torn = choice.keep === 'torn' ? this.lastWriteSequence() : -1
    for (const change of this.#changes) {
      if (choice.keep === 'sizes') applySize(kept, change)
      else if (change.kind === 'write' && change.sequence === torn) tear(kept, change, random)
      else applyTo(kept, change)
    }
    return kept
  }

  #blockwise(grainBytes: number, random: SimRandom): Bytes {
    const changes = this.#changes
    const sizesKept = random.below(changes.length + 1)
    const kept = new Bytes()
    kept.resize(this.#sizeAfter(sizesKept, grainBytes, random))
    kept.write(0, this.#durable.view().subarray(0, kept.sizeBytes))
    // Mostly written back, mostly not, or anything between, by file.
    const keptShare = random.pick([0.1, 0.5, 0.9])
    for (const block of touchedBlocks(changes, kept.sizeBytes, grainBytes)) {
      const dataKept = random.chance(keptShare) ? changes.length : random.below(changes.length + 1)
      const start = block * grainBytes
      const end = Math.min(start + grainBytes, kept.sizeBytes)
      kept.write(start, this.#blockVersion(start, end, sizesKept, dataKept, random))
    }
    return kept
  }

  /** Size after the first `count` changes, perhaps with part of the extension that came next. */
  #sizeAfter(count: number, grainBytes: number, random: SimRandom): number {
    let size = this.#durable.sizeBytes
    for (const change of this.#changes.slice(0, count)) {
      size = change.kind === 'resize' ? change.sizeBytes : Math.max(size, endOf(change))
    }
    const next = this.#changes[count]
    if (next?.kind !== 'write' || endOf(next) <= size || random.chance(0.5)) return size
    const blocks = Math.floor((endOf(next) - size) / grainBytes)
    const aligned = Math.ceil(size / grainBytes) + random.below(blocks + 1)
    return Math.min(Math.max(aligned * grainBytes, size), endOf(next))
  }

  /** One block with the first `dataKept` writes and the first `sizesKept` truncations applied. */
  #blockVersion(
    start: number,
    end: number,
    sizesKept: number,
    dataKept: number,
    random: SimRandom,
  ): Uint8Array {
    const block = new Uint8Array(end - start)
    block.set(this.#durable.view().subarray(start, end))
    for (let at = 0; at < this.#changes.length; at++) {
      const change = this.#changes[at]!
      if (change.kind === 'resize') {
        if (change.sizeBytes >= end) continue
        if (at < sizesKept) block.fill(0, Math.max(change.sizeBytes - start, 0))
        // The truncation never happened, so later writes went to blocks nobody points to.
        else if (change.sizeBytes <= start) break
      } else if (at < dataKept && (!change.isDropped || random.chance(0.5))) {
        overlay(block, start, change)
      }
    }
    return block
  }
}

function endOf(change: { position: number; bytes: Uint8Array }): number {
  return change.position + change.bytes.length
}

function applySize(target: Bytes, change: Change): void {
  if (change.kind === 'resize') target.resize(change.sizeBytes)
  else if (endOf(change) > target.sizeBytes) target.resize(endOf(change))
}

function applyTo(target: Bytes, change: Change): void {
  if (change.kind === 'write' && !change.isDropped) target.write(change.position, change.bytes)
  else applySize(target, change)
}

/** Applies a write up to a sector boundary inside it; a write within one sector is lost whole. */
function tear(target: Bytes, change: Change & { kind: 'write' }, random: SimRandom): void {
  const firstBoundary = Math.floor(change.position / sectorBytes) + 1
  const boundaries = Math.ceil(endOf(change) / sectorBytes) - firstBoundary
  const cut = (firstBoundary + random.below(boundaries)) * sectorBytes
  if (boundaries > 0 && !change.isDropped) {
    target.write(change.position, change.bytes.subarray(0, cut - change.position))
  }
  if (random.chance(0.5)) applySize(target, change)
}

function overlay(block: Uint8Array, start: number, change: Change & { kind: 'write' }): void {
  const from = Math.max(change.position, start)
  const to = Math.min(endOf(change), start + block.length)
  if (from >= to) return
  block.set(change.bytes.subarray(from - change.position, to - change.position), from - start)
}

/** Numbers of the blocks below `sizeBytes` that a change may have altered, ascending. */
function touchedBlocks(
  changes: readonly Change[],
  sizeBytes: number,
  grainBytes: number,
): number[] {
  const touched = new Set<number>()
  const count = Math.ceil(sizeBytes / grainBytes)
  let largest = sizeBytes
  for (const change of changes) {
    const from = change.kind === 'write' ? change.position : change.sizeBytes
    const to = change.kind === 'write' ? endOf(change) : largest
    largest = Math.max(largest, to)
    const last = Math.min(Math.ceil(to / grainBytes), count)
    for (let block = Math.floor(from / grainBytes); block < last; block++) touched.add(block)
  }
  return [...touched].sort((one, other) => one - other)
}
