/**
 * The committed offsets of one group. A commit is written first and seen once it is durable, so
 * that nobody continues from an offset that a crash could take back. Commits become durable in the
 * order in which they were written, and the last one written counts.
 */

export type Commit = {
  readonly offset: number
  /** Leader epoch of the last record consumed; −1 when the client did not say. */
  readonly leaderEpoch: number
  readonly metadata: string
  readonly committedMs: number
  /** When it expires, by the wish of an old client (v2–4); null leaves that to the server. */
  readonly expiresMs: number | null
  /** Id of the topic it was committed for: one created later under the same name is another. */
  readonly topicId: string
}

/** One partition. `seen` is the newest durable commit. */
export type OffsetEntry = {
  readonly topic: string
  readonly partition: number
  seen: Commit | undefined
  /** Commits on their way to the disk. */
  writing: number
}

export class CommittedOffsets {
  readonly #topics = new Map<string, Map<number, OffsetEntry>>()

  /** Whether there is no offset, not even one on its way. */
  get isEmpty(): boolean {
    return this.#topics.size === 0
  }

  /** The newest durable commit. */
  get(topic: string, partition: number): Commit | undefined {
    return this.#topics.get(topic)?.get(partition)?.seen
  }

  entries(topic?: string): OffsetEntry[] {
    const partitions =
      topic === undefined ? [...this.#topics.values()] : [this.#topics.get(topic) ?? new Map()]
    return partitions.flatMap((entries) => [...entries.values()])
  }

  /** What was read back at the start. */
  restore(topic: string, partition: number, commit: Commit): void {
    this.#entry(topic, partition).seen = commit
  }

  /** A commit is being written; `settle` must follow. */
  begin(topic: string, partition: number): OffsetEntry {
    const entry = this.#entry(topic, partition)
    entry.writing++
    return entry
  }

  /** The commit is durable, or (undefined) could not be written. */
  settle(entry: OffsetEntry, commit: Commit | undefined): void {
    entry.writing--
    // One that was deleted meanwhile is not in the table any more: what it holds is not seen.
    if (commit !== undefined) entry.seen = commit
    else if (entry.seen === undefined && entry.writing === 0) this.#drop(entry)
  }

  /** Takes a partition out, with what is on its way: the caller writes the deletion behind it. */
  delete(topic: string, partition: number): OffsetEntry | undefined {
    const entry = this.#topics.get(topic)?.get(partition)
    if (entry !== undefined) this.#drop(entry)
    return entry
  }

  #entry(topic: string, partition: number): OffsetEntry {
    let partitions = this.#topics.get(topic)
    if (partitions === undefined) this.#topics.set(topic, (partitions = new Map()))
    let entry = partitions.get(partition)
    if (entry === undefined) {
      entry = { topic, partition, seen: undefined, writing: 0 }
      partitions.set(partition, entry)
    }
    return entry
  }

  #drop(entry: OffsetEntry): void {
    const partitions = this.#topics.get(entry.topic)
    if (partitions?.get(entry.partition) !== entry) return
    partitions.delete(entry.partition)
    if (partitions.size === 0) this.#topics.delete(entry.topic)
  }
}
