/** Compares what comes back from one partition with the lines that went in, record by record. */
import type { SourceLine } from './source-lines.ts'

/** The part of a cursor that both doors share: the library's and the one over fetched bytes. */
export type ReadRecord = {
  readonly offset: number
  readonly source: Buffer
  readonly keyStart: number
  readonly keyEnd: number
  readonly valueStart: number
  readonly valueEnd: number
}

export class PartitionCheck {
  readonly #name: string
  readonly #expected: readonly SourceLine[]
  #count = 0
  #differenceCount = 0
  #firstDifference: string | undefined

  constructor(name: string, expected: readonly SourceLine[]) {
    this.#name = name
    this.#expected = expected
  }

  get recordCount(): number {
    return this.#count
  }

  /** Takes the next record of the partition. */
  take(record: ReadRecord): void {
    const line = this.#expected[this.#count]
    if (record.offset !== this.#count) this.#differ(`offset ${record.offset} came`)
    else if (line === undefined) this.#differ('a record came that was never sent')
    else if (!isAt(line.file, record, record.keyStart, record.keyEnd)) this.#differ('key differs')
    else if (!isAt(line.text, record, record.valueStart, record.valueEnd)) {
      this.#differ(`value differs from a line of ${line.file}`)
    }
    this.#count++
  }

  /** What was wrong, for a person; undefined when all came back as it went in. */
  result(): string | undefined {
    const missing = this.#expected.length - this.#count
    if (missing > 0) this.#differ(`${missing} records did not come back`)
    if (this.#firstDifference === undefined) return undefined
    return `${this.#differenceCount} differences, the first: ${this.#firstDifference}`
  }

  #differ(what: string): void {
    this.#differenceCount++
    this.#firstDifference ??= `${this.#name} at offset ${this.#count}: ${what}`
  }
}

function isAt(expected: Buffer, record: ReadRecord, start: number, end: number): boolean {
  if (start < 0) return false
  return record.source.compare(expected, 0, expected.length, start, end) === 0
}
