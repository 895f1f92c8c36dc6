/**
 * What must and what may be in one log after a crash. Kept by the process that is not killed.
 *
 * Judged is: what was acknowledged at a level that survives stands at its offset; what an earlier
 * check found is still there; the rest is, source by source, the beginning of what was sent, with
 * nothing left out and nothing twice; batches are whole.
 */
import type { DurabilityLevel } from '../../src/public.ts'
import { batchIds, parseId } from './numbered-value.ts'

/** The levels whose acknowledgements outlive what happened. */
export type Survivors = ReadonlySet<DurabilityLevel>
export const afterKill: Survivors = new Set(['os', 'disk'])
export const afterPowerLoss: Survivors = new Set(['disk'])

/** What was read of a log: `ids[i]` belongs to offset `start + i`. */
export type FoundLog = { readonly start: number; readonly ids: readonly string[] }

type Acked = { readonly id: string; readonly level: DurabilityLevel }

export class LogModel {
  readonly name: string
  #found: FoundLog = { start: 0, ids: [] }
  readonly #acked = new Map<number, Acked>()
  /** Per source: how many of its first records were acknowledged without an offset. */
  readonly #ackedCounts = new Map<string, number>()
  readonly #nextOf = new Map<string, number>()
  #trimmedTo = 0
  readonly #dropped = new Map<DurabilityLevel, number>()

  constructor(name: string) {
    this.name = name
  }

  get recordCount(): number {
    return this.#found.ids.length
  }

  /** Records that were acknowledged at `level`, which did not survive, and are gone. */
  droppedCount(level: DurabilityLevel): number {
    return this.#dropped.get(level) ?? 0
  }

  /** A batch was acknowledged at `offset`. */
  ack(
    level: DurabilityLevel,
    offset: number,
    source: string,
    firstNumber: number,
    count: number,
    isOneBatch = true,
  ): void {
    const ids = isOneBatch
      ? batchIds(source, firstNumber, count)
      : Array.from({ length: count }, (_, i) => batchIds(source, firstNumber + i, 1)[0]!)
    ids.forEach((id, i) => {
      this.#acked.set(offset + i, { id, level })
    })
  }

  /** The first `count` records of `source` were acknowledged, by a client that names no offsets. */
  ackCount(source: string, count: number): void {
    this.#ackedCounts.set(source, count)
  }

  /** A trim to `to` is about to begin; it may have happened or not. */
  trimming(to: number): void {
    this.#trimmedTo = Math.max(this.#trimmedTo, to)
  }

  /** Judges what was read after the crash and takes it for granted from then on. */
  check(found: FoundLog, survivors: Survivors): string[] {
    const faults = [
      ...this.#startFaults(found),
      ...this.#lostSinceLastCheck(found),
      ...this.#lostAcks(found, survivors),
      ...this.#orderFaults(found),
    ]
    for (const [source, count] of this.#ackedCounts) {
      const next = this.#nextOf.get(source) ?? 0
      if (next < count) faults.push(`lost: ${source} has ${next} of ${count} acknowledged records`)
    }
    this.#found = found
    this.#acked.clear()
    this.#ackedCounts.clear()
    return faults.map((fault) => `${this.name}: ${fault}`)
  }

  #startFaults({ start }: FoundLog): string[] {
    const least = this.#found.start
    if (start < least) return [`the start went back from ${least} to ${start}`]
    const most = Math.max(least, this.#trimmedTo)
    return start > most
      ? [`lost: it starts at ${start}, and nothing was trimmed above ${most}`]
      : []
  }

  #lostSinceLastCheck({ start, ids }: FoundLog): string[] {
    const before = this.#found
    const faults: string[] = []
    for (let offset = start; offset < before.start + before.ids.length; offset++) {
      const id = before.ids[offset - before.start]
      const now = ids[offset - start]
      if (id !== undefined && now !== id) {
        faults.push(`lost: offset ${offset} held ${id} after the last crash, now ${now}`)
      }
    }
    return faults
  }

  #lostAcks({ start, ids }: FoundLog, survivors: Survivors): string[] {
    const faults: string[] = []
    for (const [offset, { id, level }] of this.#acked) {
      // Whether the start may be where it is has been judged.
      if (offset < start) continue
      const now = ids[offset - start]
      if (now === id) continue
      if (now === undefined && !survivors.has(level)) {
        this.#dropped.set(level, this.droppedCount(level) + 1)
        continue
      }
      faults.push(`lost: ${id} was acknowledged at ${level} as offset ${offset}, now ${now}`)
    }
    return faults
  }

  #orderFaults({ start, ids }: FoundLog): string[] {
    const faults: string[] = []
    const checkedEnd = this.#found.start + this.#found.ids.length
    // What was trimmed between two checks was never seen: sources may begin in the middle then.
    const seen = start > checkedEnd ? new Set<string>() : undefined
    for (let i = Math.max(checkedEnd - start, 0); i < ids.length; i++) {
      const record = parseId(ids[i]!)
      if (record === undefined) {
        faults.push(`offset ${start + i} holds what nobody sent: ${ids[i]}`)
        continue
      }
      const { source, number, index, count } = record
      const due = this.#nextOf.get(source) ?? 0
      const isFirstSight = seen !== undefined && !seen.has(source) && number > due
      if (number !== due && !isFirstSight) {
        faults.push(`offset ${start + i} holds ${ids[i]} where number ${due} was due`)
      }
      seen?.add(source)
      this.#nextOf.set(source, number + 1)
      const isTorn =
        (index > 0 && i > 0 && !isNeighbour(ids[i - 1], source, index - 1, count)) ||
        (index < count - 1 && !isNeighbour(ids[i + 1], source, index + 1, count))
      if (isTorn) faults.push(`offset ${start + i} holds ${ids[i]} without the rest of its batch`)
    }
    return faults
  }
}

function isNeighbour(id: string | undefined, source: string, index: number, count: number) {
  const record = id === undefined ? undefined : parseId(id)
  return record?.source === source && record.index === index && record.count === count
}
