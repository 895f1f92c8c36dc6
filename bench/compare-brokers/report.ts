/** Rows and targets as tables in the terminal, and as bench/results/compare.json. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '../support/machine.ts'
import { figure, printTable } from '../support/table.ts'
import { type Target, verdict } from '../support/target.ts'
import { type MetricName, metricUnits, type Row } from './row.ts'

export type CompareReport = {
  readonly machine: string
  readonly date: string
  /** What makes it again. */
  readonly command: string
  readonly loadBefore: number
  readonly options: unknown
  /** By peer: what is not its default. */
  readonly settings: Readonly<Record<string, string>>
  readonly rows: readonly ReportRow[]
  readonly targets: readonly ReportTarget[]
  /** One line for each thing that was not run, with the reason. */
  readonly skipped: readonly string[]
}

/** `workload` names the part too: `W4 hot, 1 consumer`. */
export type ReportRow = Omit<Row, 'what' | 'workload'> & { readonly workload: string }

export type ReportTarget = {
  readonly what: string
  /** In `unit`; null where there is no figure. */
  readonly ratio: number | null
  /** `×` for a ratio; a target may also be a time or a size. */
  readonly unit: string
  readonly bound: number
  readonly isUpperBound: boolean
  readonly from: string
  /** null where there is no figure. */
  readonly met: boolean | null
}

export function reportRows(rows: readonly Row[]): ReportRow[] {
  return rows.map(({ what, workload, ...row }) => ({ workload: `${workload} ${what}`, ...row }))
}

/** All rows of one workload; a metric that none of them has gets no column. */
export function printRows(title: string, rows: readonly Row[]): void {
  console.log(`\n${title}`)
  const names = (Object.keys(metricUnits) as MetricName[]).filter((name) =>
    rows.some((row) => row.metrics[name] !== undefined),
  )
  printTable(
    rows.map((row) => ({
      what: row.what,
      peer: row.peer,
      class: row.class,
      cores: row.pinned ? 'pinned' : 'any',
      ...Object.fromEntries(names.map((name) => [metricUnits[name], cell(row, name)])),
    })),
  )
}

function cell(row: Row, name: MetricName): string {
  const metric = row.metrics[name]
  return metric === undefined ? '' : figure(metric.median)
}

export function judged(targets: readonly Target[]): ReportTarget[] {
  return targets.map((target) => {
    const { what, found, bound, isUpperBound, unit, from } = target
    const isKnown = !Number.isNaN(found)
    const met = isKnown ? verdict(target) === '✓' : null
    return { what, ratio: isKnown ? found : null, unit, bound, isUpperBound, from, met }
  })
}

export function writeReport(report: CompareReport): void {
  const folder = join(repositoryRoot(), 'bench', 'results')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'compare.json'), `${JSON.stringify(report, undefined, 2)}\n`)
}
