// Question  Can another broker be built on the store: what do thousands of logs, a table and a group over
//           several of them cost?
// Workload  Many logs: 10,000 of them (1,000 topics of 10 partitions), ten records of 100 B in each, one
//           store, settings of the default. Appends are of one record of 100 B. Table: see
//           kernel/table.bench.ts. Group: one record of 100 B to each of eight logs and one key of a
//           table, beside one record to one log, one at a time, level disk.
// Measures  Opening after a clean stop (with the first append) and after a kill, with warm caches;
//           memory of a log that was opened and left alone, with garbage collected; round-robin appends
//           in turn with those to one log; medians, each part in a process of its own. Not: cold caches.
import { cpSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type AtomicLoad, type AtomicMeasures, measureAtomic } from './kernel/atomic-group.ts'
import {
  type AppendRates,
  type AppendTurns,
  type Created,
  createLogs,
  dirtyAll,
  type ManyLogsLoad,
  measureAppends,
  measureOpen,
  measureRecovery,
  type Opened,
  type Recovered,
} from './kernel/many-logs.ts'
import { run as runTable } from './kernel/table.bench.ts'
import { inDataDirectory } from './support/data-directory.ts'
import { type PartScript, runPart, runUntilKilled } from './support/own-process.ts'
import { type PartResult, runParts } from './support/part.ts'
import { median } from './support/statistics.ts'
import { printTable } from './support/table.ts'
import { atLeast, atMost, type Target } from './support/target.ts'

export const usage = '[--only many-logs|table|atomic-group]'

const load: ManyLogsLoad = { topics: 1000, partitions: 10, recordsPerLog: 10, valueBytes: 100 }
const atomicLoad: AtomicLoad = { logs: 8, warmUp: 200, perBlock: 200, blocks: 9 }
const atOs: AppendTurns = { level: 'os', appenders: 1, turnMs: 1500, turns: 5 }
const atDisk: AppendTurns = { level: 'disk', appenders: 64, turnMs: 3000, turns: 3 }
const openings = 3
const parts = ['many-logs', 'table', 'atomic-group'] as const
const script: PartScript = {
  url: new URL('./kernel/run-part.js', import.meta.url),
  nodeArguments: ['--expose-gc'],
}

/** Tiny: every part once, in this process. Else everything, printed and kept. */
export async function run({
  tiny,
  args = [],
}: {
  tiny: boolean
  args?: readonly string[]
}): Promise<unknown[] | undefined> {
  if (tiny) return runTiny()
  const run = { 'many-logs': manyLogs, table, 'atomic-group': atomicGroup }
  const wanted = parseParts(args)
  await runParts(
    'kernel',
    wanted.map((part) => run[part]),
    { parts: wanted },
  )
  return undefined
}

function parseParts(args: readonly string[]): readonly (typeof parts)[number][] {
  if (args.length === 0) return parts
  const [option, part, more] = args
  const found = parts.find((name) => name === part)
  if (option !== '--only' || found === undefined || more !== undefined) {
    throw new Error(`unknown arguments ${args.join(' ')}: expected ${usage}`)
  }
  return [found]
}

function manyLogs(): Promise<PartResult> {
  return inDataDirectory('many-logs', { tiny: false }, async (directory) => {
    const created = runPart<Created>(script, 'create', directory, load)
    const opened: Opened[] = []
    // Every opening adds a record to the first log.
    for (let i = 0; i < openings; i++) {
      const input = { load, earlierOpenings: i }
      opened.push(runPart<Opened>(script, 'open', directory, input))
    }
    const os = runPart<AppendRates>(script, 'appends', directory, { load, turns: atOs })
    const disk = runPart<AppendRates>(script, 'appends', directory, { load, turns: atDisk })
    await runUntilKilled(script, 'dirty', directory, load, () => true)
    const recovered = runPart<Recovered>(script, 'recovery', directory, load)
    const pick = (name: keyof Opened) => median(opened.map((run) => run[name]))
    console.log('\n10,000 logs in one store')
    printTable([
      { what: 'creating the topics, ms', figure: created.createMs },
      { what: 'ten records to each, ms', figure: created.firstAppendsMs },
      { what: 'closing then, ms', figure: created.closeMs },
      { what: 'opening the store and one log, ms', figure: pick('openMs') },
      { what: 'opening all the others, ms', figure: pick('touchAllMs') },
      { what: 'heap per idle log, B', figure: pick('heapBytesPerLog') },
      { what: 'closing them unchanged, ms', figure: pick('closeMs') },
      { what: 'opening after a kill, every log written, ms', figure: recovered.openMs },
      { what: 'descriptors while all are appended to', figure: os.openFiles },
    ])
    const rates = ({ manyPerSecond, onePerSecond }: AppendRates) =>
      `${Math.round(manyPerSecond)} / ${Math.round(onePerSecond)} records/s, by pairs`
    const targets: Target[] = [
      atMost('open 10,000 logs after a clean stop', pick('openMs') / 1000, 2, {
        unit: 's',
        from: 'the store, and the first append to one log',
      }),
      atMost('resident memory per idle log', pick('residentBytesPerLog') / 1024, 4, {
        unit: 'KiB',
        from: `${openings} openings of all`,
      }),
      atLeast('round-robin over 10,000 logs at os, of one log', os.ratio, 0.5, { from: rates(os) }),
      atLeast('the same at disk, 64 appenders', disk.ratio, 0.7, { from: rates(disk) }),
    ]
    return { targets, figures: { load, created, opened, os, disk, recovered }, skipped: [] }
  })
}

async function table(): Promise<PartResult> {
  let rows: Awaited<ReturnType<typeof runTable>>
  try {
    rows = await runTable({ tiny: false })
  } catch (error) {
    return { targets: [], figures: undefined, skipped: [`table [${String(error).split('\n')[0]}]`] }
  }
  console.log('\na table of 1,000,000 keys')
  printTable(rows)
  const targets = rows
    .filter((row) => row.target !== '' && typeof row.value === 'number')
    .map((row) => {
      const [sign, bound] = row.target.split(' ')
      const make = sign === '≤' ? atMost : atLeast
      const isTime = row.measure.endsWith(', ms')
      return make(`table, ${row.measure.replace(/ +/g, ' ')}`, Number(row.value), Number(bound), {
        unit: isTime ? 'ms' : '×',
        from: 'kernel/table',
      })
    })
  const skipped = rows
    .filter((row) => row.target !== '' && typeof row.value !== 'number')
    .map((row) => `${row.measure} [lmdb-js is not installed]`)
  return { targets, figures: rows, skipped }
}

function atomicGroup(): Promise<PartResult> {
  return inDataDirectory('atomic-group', { tiny: false }, (directory) => {
    const measures = runPart<AtomicMeasures>(script, 'atomic', directory, atomicLoad)
    const { groupMs, appendMs, ratio } = measures
    const from = `${groupMs.toFixed(3)} / ${appendMs.toFixed(3)} ms, by pairs of blocks`
    const what = 'group over 8 logs and a table at disk, of one append'
    const targets = [atMost(what, ratio, 1.2, { from })]
    return { targets, figures: { atomicLoad, ...measures }, skipped: [] }
  })
}

function runTiny(): Promise<unknown[]> {
  const few: ManyLogsLoad = { topics: 3, partitions: 2, recordsPerLog: 2, valueBytes: 10 }
  return inDataDirectory('kernel', { tiny: true }, async (parent) => {
    const directory = join(parent, 'logs')
    const group = join(parent, 'group')
    const figures: unknown[] = [
      await createLogs(directory, few),
      await measureOpen(directory, few, 0),
      await measureAppends(directory, few, { ...atOs, turnMs: 2, turns: 1 }),
      await measureAppends(directory, few, { ...atDisk, appenders: 4, turnMs: 2, turns: 1 }),
      await measureAtomic(group, { logs: 2, warmUp: 1, perBlock: 2, blocks: 1 }),
    ]
    // No process to kill here: the files are copied while the store is open, without its lock.
    const copy = join(parent, 'copy')
    const store = await dirtyAll(directory, few)
    cpSync(directory, copy, { recursive: true, filter: (path) => basename(path) !== '.lock' })
    await store.close()
    figures.push(await measureRecovery(copy, few))
    return figures
  })
}
