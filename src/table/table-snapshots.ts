/**
 * When a table's snapshots are written, and what may go then.
 *
 * A snapshot is due when the log has grown, since the last one, by more than `snapshotBytes` and by
 * more than what is live: opening reads at most about twice the live bytes, and what is written is at
 * most about twice what was put. It is written in the background, a piece per turn of the loop:
 *
 *     roll the log → write beside → log durable up to it → snapshot durable, renamed
 *                  → trim the log → remove older snapshots
 *
 * so that at every moment the newest whole snapshot and the log after it hold everything.
 */
import { assert } from '../base/assert.ts'
import { ClosedError } from '../base/errors.ts'
import type { Offset } from '../base/types.ts'
import { kibibyte } from '../base/units.ts'
import type { TableEntries } from './table-entries.ts'
import { turn } from './table-loader.ts'
import type { TableEnvironment } from './table-settings.ts'
import { SnapshotWriter, snapshotOffsets, snapshotPath } from './table-snapshot.ts'

type SnapshotSettings = {
  readonly key: { readonly name: string }
  readonly value: { readonly name: string }
  readonly snapshotBytes: number
}

/** Bytes written between two turns of the loop. */
const turnBytes = 256 * kibibyte

export class TableSnapshots {
  readonly #env: TableEnvironment
  readonly #settings: SnapshotSettings
  readonly #entries: TableEntries
  /** Bytes of changes since the last snapshot began, about. */
  loggedBytes: number
  #offset: Offset
  readonly #onWritten: () => void
  #writing: Promise<void> | undefined
  #isStopped = false

  /**
   * @param offset    of the snapshot that was read, 0 for none.
   * @param onWritten called after each that was written: another may be due by what came meanwhile.
   */
  constructor(
    env: TableEnvironment,
    settings: SnapshotSettings,
    entries: TableEntries,
    offset: Offset,
    onWritten: () => void,
  ) {
    this.#env = env
    this.#settings = settings
    this.#entries = entries
    this.#offset = offset
    this.#onWritten = onWritten
    this.loggedBytes = env.log.sizeBytes
  }

  /** Begins a snapshot in the background when one is due. `offset`: end of what entries show. */
  writeIfDue(offset: Offset, liveBytes: number): void {
    const dueBytes = Math.max(this.#settings.snapshotBytes, liveBytes)
    if (this.loggedBytes <= dueBytes || this.#writing !== undefined) return
    this.write(offset).catch((error: unknown) => {
      if (this.#isStopped) return
      // Nothing is lost: the log is all there. Tried again after as many changes.
      const fields = { log: this.#env.log.name, error: String(error) }
      this.#env.logger.error(fields, 'a snapshot of a table could not be written')
    })
  }

  get isWriting(): boolean {
    return this.#writing !== undefined
  }

  /** Resolves when the one that is being written has ended, in whatever way. */
  async settled(): Promise<void> {
    // How it ended is told to those who asked for it.
    await this.#writing?.catch(() => {})
  }

  /** Writes a snapshot and frees what is below it. None is being written. */
  write(offset: Offset): Promise<void> {
    assert(this.#writing === undefined, 'one snapshot is written at a time')
    const writing = this.#write(offset).finally(() => {
      this.#writing = undefined
    })
    this.#writing = writing
    writing.then(this.#onWritten, () => {})
    return writing
  }

  /** Gives up the one that is being written, if one is. */
  stop(): Promise<void> {
    this.#isStopped = true
    return this.settled()
  }

  async #write(offset: Offset): Promise<void> {
    this.loggedBytes = 0
    if (offset === this.#offset) return
    // Everything below the snapshot is to be in segments that can go.
    this.#env.log.roll()
    const chunks = this.#entries.beginScan()
    try {
      await this.#writeFile(offset, chunks)
    } finally {
      this.#entries.endScan()
    }
    this.#offset = offset
    await this.#env.log.trimGently(offset)
    const { fileSystem, log } = this.#env
    for (const older of snapshotOffsets(fileSystem, log.directory)) {
      if (older < offset) fileSystem.remove(snapshotPath(log.directory, older))
    }
  }

  async #writeFile(offset: Offset, chunks: ReturnType<TableEntries['beginScan']>): Promise<void> {
    const { log, fileSystem } = this.#env
    const { key, value } = this.#settings
    const header = { offset, keyCodec: key.name, valueCodec: value.name }
    const writer = new SnapshotWriter(fileSystem, log.directory, header)
    try {
      let bytes = 0
      let wantedBytes = turnBytes
      for (const chunk of chunks) {
        writer.add(chunk)
        bytes += chunk.scanEnd
        this.#entries.scanned(chunk)
        if (bytes < wantedBytes) continue
        bytes = 0
        const logged = this.loggedBytes
        await this.#yield()
        // Who puts without a rest would else be far ahead when the snapshot is done.
        wantedBytes = Math.max(turnBytes, this.loggedBytes - logged)
      }
      // A snapshot must not hold what the log could still lose.
      await log.settled('disk', offset)
      await writer.finish()
    } catch (error) {
      writer.abort()
      throw error
    }
  }

  async #yield(): Promise<void> {
    await turn()
    if (this.#isStopped) throw new ClosedError(`table ${this.#env.log.name} is closed`)
  }
}
