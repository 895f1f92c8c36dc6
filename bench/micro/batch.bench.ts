// Question  What do building, validating and walking one batch cost, per codec?
// Workload  batches of 1,000 records with 100-byte values (Buffers; strings and keyed records
//           apart), values of words so that codecs have something to do; fixed seed.
// Measures  ns per record of addAll + finish (with CRC), of a header view with CRC check, of a full
//           validation, of a cursor walk; GB/s of the batch as it is stored. Not: disk, allocation of
//           the input.
import { BatchBuilder } from '../../src/record/batch-builder.ts'
import { validateProduced } from '../../src/record/batch-validator.ts'
import { BatchView } from '../../src/record/batch-view.ts'
import { type CodecName, codecNames } from '../../src/record/codec-name.ts'
import type { RecordInput } from '../../src/record/record.ts'
import { RecordCursor } from '../../src/record/record-cursor.ts'
import { type MicroRow, type MicroWork, measureMicro } from '../support/micro.ts'
import { seededRandom } from '../support/seeded.ts'

const nowMs = 1_700_000_000_000
const valueBytes = 100

/** Runs the whole file; `tiny` inputs only show that it works. */
export function run(options: { readonly tiny: boolean }): MicroRow[] {
  const count = options.tiny ? 10 : 1_000
  const texts = makeTexts(count)
  const buffers = texts.map((text) => Buffer.from(text))
  const keyed = buffers.map((value, index) => ({ key: `key-${index}`, value }))
  return measureMicro(
    [
      build('build none, Buffer values', 'none', buffers),
      build('build none, string values', 'none', texts),
      build('build none, key and value', 'none', keyed),
      ...codecNames.slice(1).map((codec) => build(`build ${codec}, Buffer values`, codec, buffers)),
      ...codecNames.flatMap((codec) => reads(codec, buffers)),
    ],
    options,
  )
}

function build(what: string, codec: CodecName, records: readonly RecordInput[]): MicroWork {
  const builder = new BatchBuilder({ codec })
  const work = (): number => {
    builder.reset()
    builder.addAll(records, nowMs)
    return builder.finish().length
  }
  return { what, operations: records.length, bytes: work(), work }
}

function reads(codec: CodecName, records: readonly RecordInput[]): MicroWork[] {
  const builder = new BatchBuilder({ codec })
  builder.addAll(records, nowMs)
  const batch = Buffer.from(builder.finish())
  const common = { operations: records.length, bytes: batch.length }
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
  const validate = () => validateProduced(batch, 0, batch.length, rules).recordCount
  const ofEvery = [
    { what: `walk ${codec}`, ...common, work: walk },
    { what: `validate ${codec}`, ...common, work: validate },
  ]
  if (codec !== 'none') return ofEvery
  const view = new BatchView()
  const viewAndCrc = () =>
    view.at(batch, 0).hasValidCrc() ? view.lastOffset + view.maxTimestamp : Number.NaN
  const walkToRecords = (): number => {
    let sum = 0
    cursor.open(batch, 0)
    while (cursor.next()) sum += cursor.record().value!.length
    return sum
  }
  return [
    { what: 'view and CRC, none', ...common, work: viewAndCrc },
    { what: 'walk to LogRecords, none', ...common, work: walkToRecords },
    ...ofEvery,
  ]
}

function makeTexts(count: number): string[] {
  const words = 'order paid shipped 17 user cart price euro street city open closed'.split(' ')
  const random = seededRandom(1)
  return Array.from({ length: count }, () => {
    let text = ''
    while (text.length < valueBytes) text += `${words[Math.floor(random() * words.length)]} `
    return text.slice(0, valueBytes)
  })
}
