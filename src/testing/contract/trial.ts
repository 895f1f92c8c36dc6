/** One test of the contract: a fresh place, what is open on it, and what is looked at in it. */
import assert from 'node:assert/strict'
import type { StorageLog, StorageTable, StoredRecord } from '../../store/log-storage.ts'
import type { StorageFactory, StorageUnderTest, TestedStorage } from '../storage-under-test.ts'

export type TrialBody = (trial: Trial) => Promise<void>

/** Defines one test of a section. */
export type DefineTrial = (title: string, body: TrialBody) => void

export type Section = (define: DefineTrial) => void

const bytesSpec = { key: 'bytes', value: 'bytes' } as const

export class Trial {
  readonly #place: StorageUnderTest
  #storage: TestedStorage | undefined

  private constructor(place: StorageUnderTest) {
    this.#place = place
  }

  /** Makes a place, runs `body` on it, closes what is open and takes the place away. */
  static async run(factory: StorageFactory, body: TrialBody): Promise<void> {
    const place = await factory()
    try {
      const trial = new Trial(place)
      await trial.open()
      try {
        await body(trial)
      } catch (error) {
        // What went wrong first is what is told.
        await trial.#storage?.close().catch(() => {})
        throw error
      }
      await trial.#storage?.close()
    } finally {
      await place.remove?.()
    }
  }

  get storage(): TestedStorage {
    assert(this.#storage !== undefined, 'a storage is open')
    return this.#storage
  }

  log(name = 'log'): Promise<StorageLog> {
    return this.storage.log(name)
  }

  table(name = 'table'): Promise<StorageTable> {
    return this.storage.table(name, bytesSpec)
  }

  async open(): Promise<void> {
    this.#storage = await this.#place.open()
  }

  /** Closes and opens again. */
  async reopen(): Promise<void> {
    await this.storage.close()
    await this.open()
  }

  /** The process is killed, and the next one opens. */
  async killAndOpen(): Promise<void> {
    const { kill } = this.#place
    assert(kill !== undefined, 'the factory offers no kill: leave out the section "process crash"')
    await kill.call(this.#place)
    this.#storage = undefined
    await this.open()
  }

  /** The power is lost and comes back. */
  async cutPowerAndOpen(): Promise<void> {
    const { cutPower } = this.#place
    assert(cutPower !== undefined, 'the factory offers no cutPower: leave out "power loss"')
    await cutPower.call(this.#place)
    this.#storage = undefined
    await this.open()
  }
}

/** All records that a read gives. */
export async function recordsOf(
  log: StorageLog,
  options: { from?: number; to?: number } = {},
): Promise<StoredRecord[]> {
  const records: StoredRecord[] = []
  for await (const record of log.read(options)) records.push(record)
  return records
}

/** Values of a log as text; asserts that offsets are dense, from the start to the end. */
export async function valuesOf(log: StorageLog): Promise<string[]> {
  const records = await recordsOf(log)
  assert.deepEqual(
    records.map(({ offset }) => offset),
    numbers(log.startOffset, log.endOffset),
    'offsets are dense, from the start of the log to its end',
  )
  return records.map(({ value }) => String(value))
}

/** Entries of a table as text. */
export function entriesOf(table: StorageTable): [string, string][] {
  return Array.from(table.range(), ([key, value]) => [textOf(key), textOf(value)])
}

/** One character a byte. */
export function textOf(bytes: Buffer): string {
  return bytes.toString('latin1')
}

export function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

/** `first`, … up to `end`, exclusive. */
export function numbers(first: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - first) }, (_, at) => first + at)
}

/** Asserts that `action` throws or rejects with an error of one of these codes, and gives it. */
export async function failsWith(
  codes: string | readonly string[],
  action: () => unknown,
): Promise<{ readonly [field: string]: unknown }> {
  const expected = typeof codes === 'string' ? [codes] : codes
  try {
    await action()
  } catch (error) {
    assert(error instanceof Error, 'what is thrown is an Error')
    const { code } = error as { code?: unknown }
    const shown = error.stack ?? error.message
    assert(expected.includes(code as string), `expected ${expected.join(' or ')}, but got ${shown}`)
    return error as unknown as { readonly [field: string]: unknown }
  }
  return assert.fail(`expected ${expected.join(' or ')}, but it succeeded`)
}

/** Lets the event loop turn once. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
