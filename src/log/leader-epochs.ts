/**
 * Leader epoch → offset of its first record, for one log; kept in `leader-epoch-checkpoint`.
 *
 * A client that knows the epoch of its last record can ask where that epoch ended and so notice
 * that records it has seen are gone (KIP-101, KIP-320). Too many entries in the file do no harm,
 * because opening cuts them again; a missing one cannot be rebuilt, so a new epoch is written
 * durably before its first record is.
 */
import { assert } from '../base/assert.ts'
import { StoreFormatError } from '../base/errors.ts'
import type { Offset } from '../base/types.ts'
import {
  formatCheckpoint,
  parseCheckpoint,
  readTextFile,
  replaceTextFile,
  replaceTextFileLater,
} from '../flush/checkpoint-file.ts'
import type { FileSystem } from '../platform/file-system.ts'
import type { LogHome } from './log-environment.ts'

export const leaderEpochFileName = 'leader-epoch-checkpoint'

export type EpochEntry = { readonly epoch: number; readonly startOffset: Offset }
export type EpochEnd = { readonly epoch: number; readonly endOffset: Offset }

/** "No such epoch", as the protocol spells it. */
const unknownEpoch: EpochEnd = { epoch: -1, endOffset: -1 as Offset }

export class LeaderEpochs {
  readonly #home: LogHome
  #entries: EpochEntry[] = []
  /** Grows with every change; what the file says was written at `#savedVersion`. */
  #version = 0
  #savedVersion = 0

  constructor(home: LogHome) {
    this.#home = home
  }

  /** Reads the file; a missing one has no entries. Throws StoreFormatError for other text. */
  load(): void {
    this.#entries = readEntries(this.#home.fileSystem, this.#path)
  }

  get #path(): string {
    return `${this.#home.directory}/${leaderEpochFileName}`
  }

  get latest(): number {
    return this.#entries.at(-1)?.epoch ?? -1
  }

  get entries(): readonly EpochEntry[] {
    return this.#entries
  }

  /** Notes that `epoch` begins at `startOffset`; durable on return when it is new. */
  assign(epoch: number, startOffset: Offset): void {
    if (this.note(epoch, startOffset)) this.save()
  }

  /** Like `assign`, without writing the file: recovery notes many and saves once. */
  note(epoch: number, startOffset: Offset): boolean {
    assert(epoch >= 0 && startOffset >= 0, 'epochs and offsets are not negative')
    const last = this.#entries.at(-1)
    if (last !== undefined && last.epoch === epoch && startOffset >= last.startOffset) return false
    while (this.#entries.length > 0) {
      const entry = this.#entries[this.#entries.length - 1] as EpochEntry
      if (entry.epoch < epoch && entry.startOffset < startOffset) break
      this.#entries.pop()
    }
    this.#entries.push({ epoch, startOffset })
    this.#version++
    return true
  }

  /** Forgets epochs that begin at `endOffset` or later. The file follows with the next save. */
  cutEnd(endOffset: Offset): void {
    while ((this.#entries.at(-1)?.startOffset ?? -1) >= endOffset) {
      this.#entries.pop()
      this.#version++
    }
  }

  /** Forgets epochs that end at `startOffset` or before; the one that spans it begins there. */
  cutStart(startOffset: Offset): void {
    const [first, second] = this.#entries
    if (first?.startOffset === startOffset && (second?.startOffset ?? Infinity) > startOffset)
      return
    let spanning: EpochEntry | undefined
    while ((this.#entries[0]?.startOffset ?? Infinity) <= startOffset) {
      spanning = this.#entries.shift()
    }
    if (spanning === undefined) return
    this.#entries.unshift({ epoch: spanning.epoch, startOffset })
    if (spanning.startOffset !== startOffset) this.#version++
  }

  clear(): void {
    if (this.#entries.length > 0) this.#version++
    this.#entries = []
  }

  /** Writes the file durably if it does not say the same already, or `always`. */
  save(options: { readonly always?: boolean } = {}): void {
    if (!this.#isChanged && options.always !== true) return
    const { fileSystem, directory } = this.#home
    replaceTextFile(fileSystem, directory, leaderEpochFileName, this.#text())
    this.#savedVersion = this.#version
  }

  /**
   * As `save`, off this thread, and without the sync of the directory, which the caller owes.
   * @param isWanted asked at the end: a log that is gone may have left its directory to another one.
   * @returns whether the file was replaced: not when it says the same already, nor when the epochs were
   *          changed or saved meanwhile.
   */
  async saveLater(isWanted: () => boolean): Promise<boolean> {
    if (!this.#isChanged) return false
    const version = this.#version
    const { fileSystem } = this.#home
    const isReplaced = await replaceTextFileLater(fileSystem, this.#path, this.#text(), () => {
      return isWanted() && this.#version === version && this.#isChanged
    })
    if (isReplaced) this.#savedVersion = version
    return isReplaced
  }

  get #isChanged(): boolean {
    return this.#version !== this.#savedVersion
  }

  #text(): string {
    return formatCheckpoint(this.#entries.map(({ epoch, startOffset }) => [epoch, startOffset]))
  }

  /**
   * Where `epoch` ended: the largest epoch at or below it that the log has, and the offset at
   * which the next one begins (`logEnd` for the latest). An epoch below all known ones answers
   * itself with the start of the first; an unknown later one answers (−1, −1).
   */
  endOf(epoch: number, logEnd: Offset): EpochEnd {
    if (epoch < 0 || epoch > this.latest) return unknownEpoch
    if (epoch === this.latest) return { epoch, endOffset: logEnd }
    const next = this.#entries.findIndex((entry) => entry.epoch > epoch)
    const endOffset = (this.#entries[next] as EpochEntry).startOffset
    return { epoch: next === 0 ? epoch : (this.#entries[next - 1] as EpochEntry).epoch, endOffset }
  }

  /** Epoch of the record at `offset`, or −1 when it is below all known ones. */
  epochOf(offset: number): number {
    for (let i = this.#entries.length - 1; i >= 0; i--) {
      const entry = this.#entries[i] as EpochEntry
      if (entry.startOffset <= offset) return entry.epoch
    }
    return -1
  }
}

function readEntries(fileSystem: FileSystem, path: string): EpochEntry[] {
  const text = readTextFile(fileSystem, path) ?? ''
  let before: EpochEntry | undefined
  return parseCheckpoint(text, path, 2).map((fields) => {
    const [epoch, startOffset] = fields.map(Number) as [number, number]
    const isWhole = fields.every((field) => /^\d+$/.test(field))
    if (!isWhole || epoch > 0x7fff_ffff || !Number.isSafeInteger(startOffset)) {
      throw new StoreFormatError({ path, reason: `malformed line "${fields.join(' ')}"` })
    }
    if (before !== undefined && (epoch <= before.epoch || startOffset <= before.startOffset)) {
      throw new StoreFormatError({ path, reason: `line "${fields.join(' ')}" does not ascend` })
    }
    before = { epoch, startOffset: startOffset as Offset }
    return before
  })
}
