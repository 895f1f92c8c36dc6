// Question  From how many bytes a file on is it cheaper to sync the files themselves than to write
//           the bytes once more into one zeroed, recycled file (a journal) and sync only that?
// Workload  1, 4, 16 and 64 files that grow by 4 KiB … 1 MiB each per round. Direct: fdatasync of
//           every file, all at once through the thread pool, as group commit does. Journal: one
//           write of the sum into the zeroed file, one fdatasync there; the grown files are synced
//           once after the last round (the checkpoint). Alternating, medians over all rounds.
//           Before that, one file alone: 4 KiB … 4 MiB zeroed against growing, both ways to call.
// Measures  p50 µs from the first write to the last sync, and what the checkpoint adds per round.
//           Not: copying the bytes together, frames, checksums.
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { binding } from '../../src/native/load-binding.ts'
import { inDataDirectory } from '../support/data-directory.ts'
import { seededValues } from '../support/seeded.ts'
import { median } from '../support/statistics.ts'
import { printTable } from '../support/table.ts'
import { ZeroedFile } from '../support/zeroed-file.ts'

type Sizes = {
  zeroedBytes: number
  singleBytes: readonly number[]
  fileCounts: readonly number[]
  bytesPerFile: readonly number[]
  rounds: number
  /** Rounds of one group size are limited so that no more than this is written each way. */
  maxWrittenBytes: number
  syncsPerRound: number
}

export type SingleRow = {
  readonly written: string
  readonly 'zeroed, sync call µs': number
  readonly 'zeroed, thread pool µs': number
  readonly 'growing, sync call µs': number
  readonly 'growing, thread pool µs': number
}

/** p50 in µs; the checkpoint's share of one round beside it. */
export type GroupRow = {
  readonly files: number
  readonly bytesPerFile: number
  readonly directUs: number
  readonly journalUs: number
  readonly checkpointUs: number
}

const kibibyte = 1024
const mebibyte = 1024 * kibibyte

const fullSizes: Sizes = {
  zeroedBytes: 64 * mebibyte,
  singleBytes: [4, 64, 256, 1024, 4096].map((size) => size * kibibyte),
  fileCounts: [1, 4, 16, 64],
  bytesPerFile: [4, 16, 64, 256, 1024].map((size) => size * kibibyte),
  rounds: 7,
  maxWrittenBytes: 256 * mebibyte,
  syncsPerRound: 8,
}
const tinySizes: Sizes = {
  zeroedBytes: mebibyte,
  singleBytes: [4 * kibibyte],
  fileCounts: [1, 4],
  bytesPerFile: [4 * kibibyte],
  rounds: 1,
  maxWrittenBytes: mebibyte,
  syncsPerRound: 2,
}

/** Tiny: both tables' rows. Else they are printed, with the break-even of each number of files. */
export async function run({
  tiny,
}: {
  readonly tiny: boolean
}): Promise<(SingleRow | GroupRow)[] | undefined> {
  const sizes = tiny ? tinySizes : fullSizes
  const [singles, groups] = await inDataDirectory('sync-cost', { tiny }, async (directory) => {
    const journal = new ZeroedFile(join(directory, 'journal'), sizes.zeroedBytes)
    try {
      return [
        await measureSingles(directory, journal, sizes),
        await measureGroups(directory, journal, sizes),
      ] as const
    } finally {
      journal.close()
    }
  })
  if (tiny) return [...singles, ...groups]
  console.log('\none file: p50 of write + fdatasync')
  printTable(singles)
  console.log(
    '\nN grown files: synced themselves, or their bytes written once more and synced once',
  )
  printGroups(groups)
  console.log('')
  for (const files of sizes.fileCounts) {
    const ofCount = groups.filter((row) => row.files === files)
    const waiting = breakEven(ofCount, (row) => row.journalUs)
    const working = breakEven(ofCount, (row) => row.journalUs + row.checkpointUs)
    console.log(
      `${files} file${files === 1 ? '' : 's'}: direct waits less ${waiting}, and costs the disk less ${working}`,
    )
  }
  return undefined
}

async function measureSingles(
  directory: string,
  journal: ZeroedFile,
  sizes: Sizes,
): Promise<SingleRow[]> {
  const rows: SingleRow[] = []
  for (const bytes of sizes.singleBytes) {
    const value = seededValues(1, bytes, 1)[0]!
    const growing = new GrowingFile(join(directory, `growing-${bytes}`))
    const samples: [number[], number[], number[], number[]] = [[], [], [], []]
    const steps: (() => void | Promise<void>)[] = [
      () => {
        journal.writeNext(value)
        journal.syncHere()
      },
      () => {
        journal.writeNext(value)
        return binding.fdatasync(journal.fd)
      },
      () => {
        growing.grow(value)
        binding.fdatasyncSync(growing.fd)
      },
      () => {
        growing.grow(value)
        return binding.fdatasync(growing.fd)
      },
    ]
    for (let round = 0; round < sizes.rounds; round++) {
      for (const [way, step] of steps.entries()) {
        for (let count = 0; count < sizes.syncsPerRound; count++) {
          samples[way]!.push(await timed(step))
        }
      }
    }
    growing.close()
    rows.push({
      written: sizeName(bytes),
      'zeroed, sync call µs': median(samples[0]),
      'zeroed, thread pool µs': median(samples[1]),
      'growing, sync call µs': median(samples[2]),
      'growing, thread pool µs': median(samples[3]),
    })
  }
  return rows
}

async function measureGroups(
  directory: string,
  journal: ZeroedFile,
  sizes: Sizes,
): Promise<GroupRow[]> {
  const rows: GroupRow[] = []
  for (const count of sizes.fileCounts) {
    for (const bytes of sizes.bytesPerFile) {
      if (count * bytes > sizes.zeroedBytes) continue
      const name = join(directory, `${count}-${bytes}`)
      rows.push(await measureGroup(name, journal, { count, bytes, sizes }))
    }
  }
  return rows
}

async function measureGroup(
  name: string,
  journal: ZeroedFile,
  { count, bytes, sizes }: { count: number; bytes: number; sizes: Sizes },
): Promise<GroupRow> {
  const value = seededValues(1, bytes, 1)[0]!
  const sum = Buffer.concat(Array.from({ length: count }, () => value))
  const files = Array.from({ length: count }, (_, i) => new GrowingFile(`${name}-${i}`))
  const syncAll = () => Promise.all(files.map((file) => binding.fdatasync(file.fd)))
  const growAll = () => {
    for (const file of files) file.grow(value)
  }
  const direct = async () => {
    growAll()
    await syncAll()
  }
  const journaled = async () => {
    growAll()
    journal.writeNext(sum)
    await binding.fdatasync(journal.fd)
  }
  const times: Record<'direct' | 'journal' | 'checkpoint', number[]> = {
    direct: [],
    journal: [],
    checkpoint: [],
  }
  const affordable = Math.floor(sizes.maxWrittenBytes / (sum.length * sizes.rounds))
  const syncs = Math.max(2, Math.min(sizes.syncsPerRound, affordable))
  for (let round = 0; round < sizes.rounds; round++) {
    for (let sync = 0; sync < syncs; sync++) times.direct.push(await timed(direct))
    for (let sync = 0; sync < syncs; sync++) times.journal.push(await timed(journaled))
    times.checkpoint.push((await timed(syncAll)) / syncs)
  }
  for (const file of files) file.close()
  return {
    files: count,
    bytesPerFile: bytes,
    directUs: median(times.direct),
    journalUs: median(times.journal),
    checkpointUs: median(times.checkpoint),
  }
}

function printGroups(rows: readonly GroupRow[]): void {
  printTable(
    rows.map(({ files, bytesPerFile, directUs, journalUs, checkpointUs }) => ({
      files: String(files),
      'per file': sizeName(bytesPerFile),
      'direct µs': directUs,
      'journal µs': journalUs,
      'direct / journal': `${(directUs / journalUs).toFixed(2)} ×`,
      'checkpoint adds µs': checkpointUs,
      'direct / both': `${(directUs / (journalUs + checkpointUs)).toFixed(2)} ×`,
    })),
  )
}

/**
 * Where direct and `other` cost the same: interpolated between two measured sizes, on logarithmic
 * scales. `rows` are those of one number of files.
 */
function breakEven(rows: readonly GroupRow[], other: (row: GroupRow) => number): string {
  const lead = (row: GroupRow) => Math.log(row.directUs / other(row))
  const at = rows.findIndex((row) => lead(row) <= 0)
  if (at < 0) return `at no size measured (${sizeName(rows.at(-1)!.bytesPerFile)} per file)`
  const after = rows[at]!
  const before = rows[at - 1]
  if (before === undefined) return 'at every size measured'
  const share = lead(before) / (lead(before) - lead(after))
  const bytes = before.bytesPerFile * (after.bytesPerFile / before.bytesPerFile) ** share
  return `from ${sizeName(bytes)} per file on`
}

class GrowingFile {
  readonly fd: number
  #sizeBytes = 0

  constructor(path: string) {
    this.fd = openSync(path, 'wx+')
  }

  grow(source: Uint8Array): void {
    writeSync(this.fd, source, 0, source.length, this.#sizeBytes)
    this.#sizeBytes += source.length
  }

  close(): void {
    closeSync(this.fd)
  }
}

/** Microseconds of one step. */
async function timed(step: () => unknown): Promise<number> {
  const start = performance.now()
  await step()
  return (performance.now() - start) * 1000
}

function sizeName(bytes: number): string {
  return bytes < mebibyte
    ? `${Math.round(bytes / kibibyte)} KiB`
    : `${Number((bytes / mebibyte).toFixed(1))} MiB`
}
