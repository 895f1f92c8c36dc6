/**
 * The file of results that every comparison leaves in bench/results, and `npm run bench:report`
 * renders. Absent figures are null, as JSON has no NaN.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { machineLine, repositoryRoot } from './machine.ts'
import { median } from './statistics.ts'
import { bar, figure, printTable } from './table.ts'
import { type Target, verdict } from './target.ts'

/** `values` has one entry per round, in order; `median` is theirs. */
export type Metric = {
  readonly median: number
  readonly values: readonly number[]
  readonly unit: string
}

export type ResultRow = {
  readonly workload: string
  readonly peer: string
  /** What an acknowledgement means: `os` (in the page cache) or `disk` (synced before); `-` for reads. */
  readonly class: string
  /** Whether both sides were bound to one core each. */
  readonly pinned: boolean
  /** The load generator, where there is a choice. */
  readonly client?: string
  /** The first is the one that is plotted. */
  readonly metrics: Readonly<Record<string, Metric>>
}

export type ResultTarget = {
  readonly what: string
  /** In `unit`, `×` when left out; null where there is no figure. */
  readonly ratio: number | null
  readonly unit?: string
  readonly bound: number
  /** Null where there is no figure. */
  readonly met: boolean | null
  readonly isUpperBound?: boolean
  readonly from?: string
}

export type Results = {
  readonly machine: string
  readonly date: string
  readonly command: string
  readonly rows: readonly ResultRow[]
  readonly targets: readonly ResultTarget[]
  /** One line for each thing that was not measured, with the reason. */
  readonly skipped?: readonly string[]
  /** Load average over a minute before the run: others at work make absolute figures worth little. */
  readonly loadBefore?: number
}

/** `values` is not empty. */
export function metric(values: readonly number[], unit: string): Metric {
  return { median: median(values), values, unit }
}

/** Where lower is better: times and costs. The others are rates. */
export function isCost({ unit }: Pick<Metric, 'unit'>): boolean {
  return !/\/s\b/.test(unit)
}

export function resultTarget(target: Target): ResultTarget {
  const { what, found, bound, isUpperBound, unit, from } = target
  const sign = verdict(target)
  return {
    what,
    ratio: Number.isFinite(found) ? found : null,
    unit,
    bound,
    met: sign === '–' ? null : sign === '✓',
    isUpperBound,
    from,
  }
}

/** One table a workload: the medians, and a bar for the first metric. */
export function printResultRows(rows: readonly ResultRow[]): void {
  for (const workload of new Set(rows.map((row) => row.workload))) {
    const ofWorkload = rows.filter((row) => row.workload === workload)
    const names = [...new Set(ofWorkload.flatMap(({ metrics }) => Object.keys(metrics)))]
    const plotted = names[0]!
    const largest = Math.max(...ofWorkload.map(({ metrics }) => metrics[plotted]?.median ?? 0))
    console.log(`\n${workload}`)
    printTable(
      ofWorkload.map(({ peer, class: kept, metrics }) => ({
        peer,
        class: kept,
        ...Object.fromEntries(
          names.map((name) => [heading(name, ofWorkload), cell(metrics[name])]),
        ),
        '': { text: bar(metrics[plotted]?.median ?? 0, largest) },
      })),
    )
  }
}

/**
 * What stands over the figures of a metric: its name and its unit. One of the two where the other
 * says nothing more: a name that is an identifier has a unit that tells (`p50Ms`, `ms p50`).
 */
export function heading(name: string, rows: readonly ResultRow[]): string {
  const unit = rows.find(({ metrics }) => metrics[name] !== undefined)?.metrics[name]?.unit ?? ''
  return unit === name || /^[a-z][a-zA-Z0-9]*[A-Z]/.test(name) ? unit : `${name}, ${unit}`
}

function cell(found: Metric | undefined): string {
  return found === undefined ? '' : figure(found.median)
}

/** Keeps them in bench/results/<name>.json. */
export function writeResults(name: string, results: Omit<Results, 'machine' | 'date'>): void {
  const folder = join(repositoryRoot(), 'bench', 'results')
  mkdirSync(folder, { recursive: true })
  const whole: Results = { machine: machineLine(), date: new Date().toISOString(), ...results }
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(whole, undefined, 2)}\n`)
  console.log(`\nwritten to bench/results/${name}.json`)
}

export function loadAverage(): number {
  return loadavg()[0]!
}
