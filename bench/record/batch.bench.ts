// Question  What do building, validating and walking one batch cost, per codec?
// Workload  batches of 1 000 records with 100-byte values (Buffers; strings and keyed records
//           apart), values of words so that codecs have something to do; fixed seed.
// Measures  records/s and ns per record of addAll + finish (with CRC), of a header view with CRC
//           check, of a full validation, of a cursor walk; ns per varint. Not: disk, allocation
//           of the input.
import { Bench } from 'tinybench'
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import { validateProduced } from '../../src/record/batch-validator.ts'
import { BatchView } from '../../src/record/batch-view.ts'
import { type CodecName, codecNames } from '../../src/record/codec-name.ts'
import type { RecordInput } from '../../src/record/record.ts'
import { RecordCursor } from '../../src/record/record-cursor.ts'
import { VarintReader, writeVarint } from '../../src/record/varint.ts'

export type BenchRow = {
  readonly name: string
  readonly recordsPerSecond: number
  readonly nsPerRecord: number
  /** Bytes of the batch worked on, 0 where there is none. */
  readonly batchBytes: number
}

const nowMs = 1_700_000_000_000
const valueBytes = 100

/** Runs the whole file; `tiny` inputs only show that it works. */
export function run(options: { readonly tiny: boolean }): BenchRow[] {
  const count = options.tiny ? 10 : 1_000
  const bench = new Bench(
    options.tiny
      ? { time: 1, iterations: 1, warmup: false }
      : { time: 500, iterations: 20, warmupTime: 200 },
  )
  const sizes = new Map<string, number>()
  let sum = 0
  const add = (name: string, batchBytes: number, work: () => number): void => {
    sizes.set(name, batchBytes)
    bench.add(name, () => {
      sum += work()
    })
  }

  const texts = makeTexts(count)
  const buffers = texts.map((text) => Buffer.from(text))
  const inputs: readonly (readonly [string, readonly RecordInput[]])[] = [
    ['Buffer values', buffers],
    ['string values', texts],
    ['key and value', buffers.map((value, index) => ({ key: `key-${index}`, value }))],
  ]
  for (const [name, records] of inputs) addBuild(add, `build none, ${name}`, 'none', records)
  for (const codec of codecNames.slice(1)) {
    addBuild(add, `build ${codec}, Buffer values`, codec, buffers)
  }
  for (const codec of codecNames) addReads(add, codec, buffers)
  addVarints(add, count)

  bench.runSync()
  if (Number.isNaN(sum)) throw new Error('the benches computed nothing')
  return bench.tasks.map((task) => {
    const result = task.result
    if (!('latency' in result)) throw new Error(`bench ${task.name} failed`, { cause: result })
    const nsPerRecord = (result.latency.mean * 1e6) / count
    return {
      name: task.name,
      recordsPerSecond: 1e9 / nsPerRecord,
      nsPerRecord,
      batchBytes: sizes.get(task.name) ?? 0,
    }
  })
}

type Add = (name: string, batchBytes: number, work: () => number) => void

function addBuild(add: Add, name: string, codec: CodecName, records: readonly RecordInput[]): void {
  const builder = new BatchBuilder({ codec })
  const build = (): number => {
    builder.reset()
    builder.addAll(records, nowMs)
    return builder.finish().length
  }
  add(name, build(), build)
}

function addReads(add: Add, codec: CodecName, records: readonly RecordInput[]): void {
  const builder = new BatchBuilder({ codec })
  builder.addAll(records, nowMs)
  const batch = Buffer.from(builder.finish())
  const cursor = new RecordCursor()
  const walk = (): number => {
    let sum = 0
    cursor.open(batch, 0)
    while (cursor.next()) sum += cursor.offset + cursor.valueEnd - cursor.valueStart
    return sum
  }
  const rules = {
    maxBatchBytes: batch.length,
    maxDecompressedBytes: 16 * 1024 * 1024,
    requiresKeys: false,
    timestampType: 'create',
    beforeMaxMs: Number.MAX_SAFE_INTEGER,
    afterMaxMs: Number.MAX_SAFE_INTEGER,
    nowMs,
    codec: 'producer',
    allowZstd: true,
  } as const
  if (codec === 'none') {
    const view = new BatchView()
    add('view and CRC, none', batch.length, () =>
      view.at(batch, 0).hasValidCrc() ? view.lastOffset + view.maxTimestamp : Number.NaN,
    )
    add('walk to LogRecords, none', batch.length, () => {
      let sum = 0
      cursor.open(batch, 0)
      while (cursor.next()) sum += cursor.record().value!.length
      return sum
    })
  }
  add(`walk ${codec}`, batch.length, walk)
  add(
    `validate ${codec}`,
    batch.length,
    () => validateProduced(batch, 0, batch.length, rules).recordCount,
  )
}

function addVarints(add: Add, count: number): void {
  const bytes = Buffer.alloc(count * 5)
  const values = makeRandom(count, 2).map((random) => Math.floor(random * 2 ** (random * 31)))
  add('varint write', 0, () => {
    let position = 0
    for (const value of values) position = writeVarint(bytes, position, value)
    return position
  })
  const reader = new VarintReader()
  add('varint read', 0, () => {
    let sum = 0
    reader.at(bytes, 0, bytes.length)
    for (let left = values.length; left > 0; left--) sum += reader.readVarint()
    return sum
  })
}

function makeTexts(count: number): string[] {
  const words = 'order paid shipped 17 user cart price euro street city open closed'.split(' ')
  const randoms = makeRandom(count * 32, 1)
  return Array.from({ length: count }, (_, record) => {
    let text = ''
    for (let word = 0; text.length < valueBytes; word++) {
      text += `${words[Math.floor(randoms[record * 32 + word]! * words.length)]} `
    }
    return text.slice(0, valueBytes)
  })
}

/** `count` numbers in [0, 1) from a linear congruential generator (Numerical Recipes). */
function makeRandom(count: number, seed: number): number[] {
  let state = seed
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  })
}
