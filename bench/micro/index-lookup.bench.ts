// Question  What does one lookup cost in a full index?
// Workload  1,310,720 entries of the offset index (a 10 MiB file, the default limit) and as many of
//           the time index, in memory; uniform random targets, fixed seed, and the last entry.
// Measures  ns per lookup. Not: opening the file, page faults.
import type { FilePosition, Offset } from '../../src/base/types.ts'
import { OffsetIndex } from '../../src/index/offset-index.ts'
import { TimeIndex } from '../../src/index/time-index.ts'
import { type MicroRow, type MicroWork, measureMicro } from '../support/micro.ts'
import { seededRandom } from '../support/seeded.ts'

const recordsPerEntry = 40
const bytesPerEntry = 800
const lookups = 1000

/** Runs the whole file; `tiny` inputs only show that it works. */
export function run(options: { readonly tiny: boolean }): MicroRow[] {
  const entries = options.tiny ? 100 : 1_310_720
  const offsets = new OffsetIndex(0 as Offset)
  const times = new TimeIndex(0 as Offset)
  for (let entry = 0; entry < entries; entry++) {
    offsets.append(
      ((entry + 1) * recordsPerEntry) as Offset,
      (entry * bytesPerEntry) as FilePosition,
    )
    times.offer((entry + 1) * recordsPerEntry, (entry * recordsPerEntry) as Offset)
  }
  const random = seededRandom(1)
  const last = entries * recordsPerEntry
  const targets = Array.from({ length: lookups }, () => Math.floor(random() * last))
  const ends = targets.map(() => last)
  return measureMicro(
    [
      lookUp('offset index, random', targets, (target) => offsets.lookup(target as Offset)),
      lookUp('offset index, the last', ends, (target) => offsets.lookup(target as Offset)),
      lookUp('time index, random', targets, (target) => times.lookup(target)),
      lookUp('time index, the last', ends, (target) => times.lookup(target)),
    ],
    options,
  )
}

function lookUp(
  what: string,
  targets: readonly number[],
  find: (target: number) => number,
): MicroWork {
  const work = (): number => {
    let sum = 0
    for (const target of targets) sum += find(target)
    return sum
  }
  return { what, operations: targets.length, work }
}
