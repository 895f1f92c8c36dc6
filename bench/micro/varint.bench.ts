// Question  What does one variable-length integer cost to write and to read?
// Workload  1,000 signed integers from one to five bytes long, in the sizes records have (most are
//           short) and evenly; fixed seed.
// Measures  ns per integer. Not: what stands around them in a record.
import { VarintReader, writeVarint } from '../../src/record/varint.ts'
import { type MicroRow, type MicroWork, measureMicro } from '../support/micro.ts'
import { seededRandom } from '../support/seeded.ts'

const largestBits = 31

/** Runs the whole file; `tiny` inputs only show that it works. */
export function run(options: { readonly tiny: boolean }): MicroRow[] {
  const count = options.tiny ? 10 : 1000
  const random = seededRandom(2)
  // A square of the number of bits makes short ones likely.
  const short = Array.from({ length: count }, () =>
    Math.floor(random() * 2 ** (random() ** 2 * largestBits)),
  )
  const even = Array.from({ length: count }, () =>
    Math.floor(random() * 2 ** (random() * largestBits)),
  )
  return measureMicro(
    [...worksOf('most of them short', short), ...worksOf('of any size', even)],
    options,
  )
}

function worksOf(which: string, values: readonly number[]): MicroWork[] {
  const operations = values.length
  const bytes = Buffer.alloc(operations * 5)
  const write = (): number => {
    let position = 0
    for (const value of values) position = writeVarint(bytes, position, value)
    return position
  }
  const length = write()
  const reader = new VarintReader()
  const read = (): number => {
    let sum = 0
    reader.at(bytes, 0, length)
    for (let left = operations; left > 0; left--) sum += reader.readVarint()
    return sum
  }
  return [
    { what: `write, ${which}`, operations, work: write },
    { what: `read, ${which}`, operations, work: read },
  ]
}
