/**
 * Goal: whatever the listeners of logs do when they are told, every acknowledged record stands where its
 * acknowledgement says, once, and a table holds what it was given last. Method: random histories over
 * three logs and a table, in which every listener appends, sends, groups, rolls, flushes and looks on.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Log } from '../../src/log/log.ts'
import type { LogWriter } from '../../src/log/log-writer.ts'
import { SimRandom } from '../../src/platform/sim-random.ts'
import type { Store } from '../../src/store/store.ts'
import type { Table } from '../../src/table/table.ts'
import { openOn, simDisk, valuesIn } from '../support/log-inspection.ts'

const historyCount = 60
const actionsPerHistory = 200
const names = ['a', 'b', 'c']
const keys = ['k', 'l', 'm']

type Told = { readonly offset: number; readonly lastOffset: number }
type Sent = { readonly log: number; readonly values: string[]; readonly told: Promise<Told> }

class History {
  readonly #random: SimRandom
  readonly #store: Store
  readonly #logs: readonly Log[]
  readonly #writers: readonly LogWriter[]
  readonly #table: Table<string, number>
  readonly #sent: Sent[] = []
  readonly #others: Promise<unknown>[] = []
  #left = actionsPerHistory
  /** Of listeners that are told within what another one does. */
  #depth = 0
  #count = 0

  constructor(random: SimRandom, store: Store, logs: readonly Log[], table: Table<string, number>) {
    this.#random = random
    this.#store = store
    this.#logs = logs
    this.#table = table
    this.#writers = logs.map((log) => {
      return log.writer({
        lingerMs: random.pick([0, 1]),
        level: random.pick(['os', 'disk'] as const),
        batchBytes: random.pick([1, 200, 65_536]),
      })
    })
    for (const log of logs) log.onAppend(() => this.#answer())
  }

  #answer(): void {
    if (this.#depth >= 3) return
    this.#depth++
    for (let i = this.#random.below(3); i > 0; i--) this.#act()
    this.#depth--
  }

  /** Acts until there is nothing left to do, and nothing under way. */
  async run(): Promise<void> {
    while (this.#left > 0) {
      this.#act()
      if (this.#random.below(5) === 0) await turn()
    }
    await Promise.all(this.#writers.map((writer) => writer.close()))
    await Promise.all([...this.#others, ...this.#sent.map(({ told }) => told)])
  }

  #act(): void {
    if (this.#left-- <= 0) return
    const index = this.#random.below(names.length)
    const log = this.#logs[index] as Log
    const level = this.#random.pick(['os', 'disk', 'disk'] as const)
    switch (this.#random.below(9)) {
      case 0:
      case 1: {
        const [value = ''] = this.#values(1)
        this.#note(index, [value], log.append(value, { level }))
        return
      }
      case 2: {
        const values = this.#values(3)
        const compression = this.#random.pick(['none', 'gzip'] as const)
        this.#note(index, values, log.append(values, { level, compression }))
        return
      }
      case 3: {
        const values = this.#values(1)
        this.#note(index, values, log.append(values, { level, expect: log.endOffset }))
        return
      }
      case 4: {
        const [value = ''] = this.#values(1)
        const sending = (this.#writers[index] as LogWriter).send(value)
        this.#note(
          index,
          [value],
          sending.then(({ offset }) => ({ offset, lastOffset: offset })),
        )
        return
      }
      case 5:
        this.#group(index, level)
        return
      case 6: {
        this.#others.push(this.#table.put(this.#random.pick(keys), this.#count++, { level }))
        return
      }
      case 7:
        log.roll()
        return
      default:
        this.#others.push(this.#random.pick([() => log.flush(), () => this.#store.checkpoint()])())
    }
  }

  #group(index: number, level: 'os' | 'disk'): void {
    const other = (index + 1) % names.length
    const one = this.#values(1)
    const two = this.#values(2)
    const group = this.#store.atomic(
      (tx) => {
        tx.append(this.#logs[index] as Log, one)
        tx.append(this.#logs[other] as Log, two)
        tx.put(this.#table, this.#random.pick(keys), this.#count++)
      },
      { level },
    )
    this.#note(
      index,
      one,
      group.then(({ appends }) => appends[0] as Told),
    )
    this.#note(
      other,
      two,
      group.then(({ appends }) => appends[1] as Told),
    )
  }

  #values(count: number): string[] {
    return Array.from({ length: count }, () => {
      return `${this.#count++} ${'x'.repeat(this.#random.pick([0, 10, 200]))}`
    })
  }

  #note(log: number, values: string[], told: Promise<Told>): void {
    this.#sent.push({ log, values, told })
  }

  /** Every record is where it was said to be, in logs that hold nothing else. */
  async check(logs: readonly Log[]): Promise<void> {
    const found = logs.map(valuesIn)
    const counts = logs.map(() => 0)
    for (const { log, values, told } of this.#sent) {
      const { offset, lastOffset } = await told
      expect(found[log]?.slice(offset, lastOffset + 1)).toEqual(values)
      counts[log] = (counts[log] as number) + values.length
    }
    expect(logs.map(({ endOffset }) => endOffset)).toEqual(counts)
  }
}

async function opened(disk: ReturnType<typeof simDisk>, config?: Record<string, string>) {
  const store = await openOn(disk)
  const logs = []
  for (const name of names) {
    const topic = store.topic(name) ?? (await store.createTopic(name, config ? { config } : {}))
    logs.push(topic.log(0))
  }
  const table = await store.table('table', { key: 'string', value: 'json' })
  return { store, logs, table: table as Table<string, number> }
}

describe('logs whose listeners act at once', () => {
  it(`hold what was acknowledged, in ${historyCount} histories`, async () => {
    for (let seed = 1; seed <= historyCount; seed++) {
      const source = new SimRandom(seed)
      const disk = simDisk(seed)
      const segmentBytes = source.pick(['4096', '20000', '1000000'])
      const { store, logs, table } = await opened(disk, { 'segment.bytes': segmentBytes })
      const history = new History(source, store, logs, table)
      await history.run()
      await history.check(logs)
      const entries = [...table.range()]
      await store.close()
      const again = await opened(disk)
      await history.check(again.logs)
      expect([...again.table.range()]).toEqual(entries)
      await again.store.close()
    }
  })
})
