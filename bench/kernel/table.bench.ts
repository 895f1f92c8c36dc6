// Question  What does a table of a million keys cost beside lmdb-js and a JavaScript Map?
// Workload  1,000,000 keys of 16 characters with values of 100 B, put once, in groups of 100 (one
//           batch, one transaction), unsynced (level os; lmdb noSync): in ascending order, which suits
//           a tree best, and in random order.
// Measures  puts/s; ms to close and open again; ns per get of a random key, beside a Map of the same
//           entries; memory per key outside the heap; ms of a snapshot and the longest turn of the
//           loop in it; the first range and entries/s of a whole one. Every run is a process of its own
//           on an empty directory; engines alternate and the median of the rounds counts.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { repositoryRoot } from '../support/machine.ts'
import { median } from '../support/statistics.ts'
import { warmMemory } from '../support/warm-memory.ts'
import {
  measureTable,
  type TableEngineName,
  type TableMeasures,
  type TableWorkload,
} from './table-workload.ts'

const fullWorkload: TableWorkload = {
  keys: 1_000_000,
  groupKeys: 100,
  valueBytes: 100,
  gets: 500_000,
  order: 'shuffled',
}
const ascending: TableWorkload = { ...fullWorkload, order: 'ascending' }
const tinyWorkload: TableWorkload = { ...fullWorkload, keys: 1000, gets: 100 }
const rounds = 3
const runTimeoutMs = 120_000

export type TableRow = { measure: string; value: string | number; target: string; isMet: string }

/** Rows of what was promised and what was measured. Tiny: ours alone, in this process. */
export async function run({ tiny }: { tiny: boolean }): Promise<TableRow[]> {
  if (tiny) {
    const directory = mkdtempSync(join(tmpdir(), 'stratalog-bench-'))
    try {
      return rowsOf([await measureTable('stratalog', directory, tinyWorkload)], [])
    } finally {
      rmSync(directory, { recursive: true })
    }
  }
  return [...compare(ascending), ...compare(fullWorkload)]
}

function compare(workload: TableWorkload): TableRow[] {
  const ours: TableMeasures[] = []
  const theirs: TableMeasures[] = []
  for (let round = 0; round < rounds; round++) {
    ours.push(runInOwnProcess('stratalog', workload))
    theirs.push(runInOwnProcess('lmdb', workload))
  }
  const rows = rowsOf(ours, theirs)
  return rows.map((row) => ({ ...row, measure: `${workload.order}: ${row.measure}` }))
}

function rowsOf(ours: readonly TableMeasures[], theirs: readonly TableMeasures[]): TableRow[] {
  const pick = (name: keyof TableMeasures): number => median(ours.map((run) => run[name]))
  const peer = (name: keyof TableMeasures): number =>
    theirs.length === 0 ? Number.NaN : median(theirs.map((run) => run[name]))
  const row = (measure: string, value: number, target = '', isMet?: boolean): TableRow => ({
    measure,
    value: Number.isNaN(value) ? 'not measured' : value,
    target,
    isMet: isMet === undefined ? '' : isMet ? 'yes' : 'NO',
  })
  const putRatio = pick('putsPerSecond') / peer('putsPerSecond')
  const getRatio = pick('getNs') / pick('mapGetNs')
  return [
    row('puts/s, groups of 100', pick('putsPerSecond')),
    row('  lmdb noSync', peer('putsPerSecond')),
    row('  times lmdb', putRatio, '≥ 2', putRatio >= 2),
    row('open again, ms', pick('openMs'), '≤ 1500', pick('openMs') <= 1500),
    row('get, ns', pick('getNs')),
    row('  Map.get, ns', pick('mapGetNs')),
    row('  Map.get and a copy, ns', pick('mapCopyNs')),
    row('  lmdb get, ns', peer('getNs')),
    row('  times Map', getRatio, '≤ 3', getRatio <= 3),
    row('memory per key, B', pick('bytesPerKey')),
    row('  beyond key and value', pick('overheadBytesPerKey')),
    row('snapshot, ms', pick('snapshotMs')),
    row('  longest turn in it, ms', pick('longestTurnMs')),
    row('first range (sorts), ms', pick('firstRangeMs')),
    row('range, entries/s', pick('rangePerSecond')),
  ]
}

function runInOwnProcess(name: TableEngineName, workload: TableWorkload): TableMeasures {
  // Beside the repository's own files: the temporary directory may be memory.
  const parent = join(repositoryRoot(), '.cache', 'bench-data')
  mkdirSync(parent, { recursive: true })
  const directory = mkdtempSync(join(parent, `table-${name}-`))
  try {
    const script = fileURLToPath(new URL('./table-workload.js', import.meta.url))
    const args = [script, name, directory, JSON.stringify(workload)]
    warmMemory()
    const result = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: runTimeoutMs,
    })
    if (result.status !== 0) throw new Error(`the table bench of ${name} failed: ${result.stderr}`)
    return JSON.parse(result.stdout) as TableMeasures
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
