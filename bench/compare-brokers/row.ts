/** What a workload gives: rows of medians, and the ratios that are looked for in them. */
import { median } from '../support/statistics.ts'
import type { DurabilityClass } from './broker-peer.ts'
import type { WorkloadId } from './names.ts'

/** What is measured, and in what it is counted. GB and MB are of record values, 10^9 and 10^6 bytes. */
export const metricUnits = {
  recordsPerSecond: 'records/s',
  mbPerSecond: 'MB/s',
  cpuSecondsPerGb: 'CPU s/GB',
  cpuUsPerRecord: 'CPU µs/record',
  peakMb: 'MB peak',
  p50Ms: 'ms p50',
  p99Ms: 'ms p99',
  p999Ms: 'ms p99.9',
  consumedMbPerSecond: 'MB/s consumed',
  stallP999Ms: 'ms stall p99.9',
  stallMaxMs: 'ms stall max',
  firstFetchMs: 'ms to first fetch',
  readyMs: 'ms to ready',
  idleMb: 'MB idle',
  installedMb: 'MB installed',
  packMb: 'MB npm pack',
} as const

export type MetricName = keyof typeof metricUnits
export type Measures = Partial<Readonly<Record<MetricName, number>>>

export type Metric = { readonly median: number; readonly values: readonly number[]; unit: string }

export type Row = {
  readonly workload: WorkloadId
  /** Which part of the workload. */
  readonly what: string
  readonly peer: string
  readonly class: DurabilityClass
  readonly pinned: boolean
  /** The load generator. */
  readonly client: string
  readonly metrics: Partial<Readonly<Record<MetricName, Metric>>>
}

/** One entry of `rounds` for each round, all with the same metrics. */
export function rowOf(about: Omit<Row, 'metrics'>, rounds: readonly Measures[]): Row {
  const names = Object.keys(rounds[0] ?? {}) as MetricName[]
  const metrics = names.map((name) => {
    const values = rounds.map((measures) => measures[name]!)
    return [name, { median: median(values), values, unit: metricUnits[name] }]
  })
  return { ...about, metrics: Object.fromEntries(metrics) }
}

/** The median of ours ÷ theirs, taken round by round; NaN where one of them has no such figure. */
export function pairRatio(ours: Row | undefined, theirs: Row | undefined, metric: MetricName) {
  const [one, other] = [ours?.metrics[metric]?.values, theirs?.metrics[metric]?.values]
  if (one === undefined || other === undefined) return Number.NaN
  const pairs = Math.min(one.length, other.length)
  if (pairs === 0) return Number.NaN
  return median(Array.from({ length: pairs }, (_, round) => one[round]! / other[round]!))
}
