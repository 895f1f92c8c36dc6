import type { SimFileSystem, SimOperation } from '../../src/platform/sim-file-system.ts'

const keptEntries = 45

/** The last things that happened, moves of the history and operations of its disks alike. */
export class HistoryTrace {
  readonly #entries: (string | SimOperation)[] = []
  #next = 0
  /** A number that two runs share when they did the same operations in the same order. */
  fingerprint = 0

  follow(disk: SimFileSystem): void {
    disk.onOperation = (operation) => {
      this.#add(operation)
      this.#mix(operation)
    }
  }

  note(text: string): void {
    this.#add(text)
  }

  lines(): string[] {
    const { length } = this.#entries
    return Array.from({ length }, (_, i) => {
      const entry = this.#entries[(this.#next + i) % length]!
      if (typeof entry === 'string') return `  ${entry}`
      const { number, kind, path, position, lengthBytes } = entry
      const extent = lengthBytes > 0 ? ` [${position}, +${lengthBytes})` : ''
      return `    ${number} ${kind} ${path}${extent}`
    })
  }

  #add(entry: string | SimOperation): void {
    if (this.#entries.length < keptEntries) this.#entries.push(entry)
    else {
      this.#entries[this.#next] = entry
      this.#next = (this.#next + 1) % keptEntries
    }
  }

  #mix({ kind, path, position, lengthBytes }: SimOperation): void {
    let mixed = this.fingerprint ^ (position * 31 + lengthBytes)
    mixed = Math.imul(mixed ^ kind.length ^ (path.length << 8), 0x9e3779b1)
    this.fingerprint = mixed ^ (mixed >>> 15)
  }
}
