/** Durable appends: bare, ours and the peers in turn, one appender and 64. */

import { inDataDirectory } from '../support/data-directory.ts'
import { PartFailedError, runPart } from '../support/own-process.ts'
import type { PartResult } from '../support/part.ts'
import { type Latency, median } from '../support/statistics.ts'
import { figure, printTable } from '../support/table.ts'
import { atLeast, atMost, type Target } from '../support/target.ts'
import type { AppendLoad, AppendMeasures } from './appenders.ts'
import type { BareSync, BareSyncLoad } from './bare-sync.ts'
import { type DurableEngineName, environmentOf, ourNames, peerNames } from './durable-engine.ts'
import { durableParts } from './part-script.ts'

type Run = { readonly name: DurableEngineName; readonly appenders: number }

const many = 64
/** Long enough for the compiler, which sees a lone appender's code 6,000 times a second. */
const load = { valueBytes: 1024, warmUpMs: 1000, measuredMs: 1000 }
const bareLoad: BareSyncLoad = {
  fileBytes: 64 << 20,
  warmUpSyncs: 500,
  syncs: 500,
  blocks: 4,
  recordsTogether: many,
}

const runs: readonly Run[] = [
  { name: 'one log', appenders: 1 },
  { name: 'lmdb', appenders: 1 },
  { name: 'better-sqlite3', appenders: 1 },
  { name: 'classic-level', appenders: 1 },
  { name: 'one log', appenders: many },
  { name: 'log each', appenders: many },
  { name: 'lmdb', appenders: many },
  { name: 'better-sqlite3', appenders: many },
  { name: 'classic-level', appenders: many },
]

/** One entry per round in each; a run that was skipped has none. */
type Rounds = { readonly bare: BareSync[]; readonly measures: Map<string, AppendMeasures[]> }

export async function compareAppenders(roundCount: number): Promise<PartResult> {
  const rounds: Rounds = { bare: [], measures: new Map(runs.map((run) => [keyOf(run), []])) }
  const skipped = new Map<DurableEngineName, string>()
  for (let round = 0; round < roundCount; round++) {
    rounds.bare.push(
      await inDataDirectory('bare', { tiny: false }, (directory) =>
        runPart<BareSync>(durableParts, 'bare-sync', directory, bareLoad),
      ),
    )
    for (const run of runs) {
      if (skipped.has(run.name)) continue
      const outcome = await runOnce(run)
      if (typeof outcome === 'string') skipped.set(run.name, outcome)
      else rounds.measures.get(keyOf(run))!.push(outcome)
    }
  }
  print(rounds, roundCount)
  return {
    targets: targetsOf(rounds),
    figures: { load, bareLoad, bare: rounds.bare, measures: Object.fromEntries(rounds.measures) },
    skipped: [...skipped].map(([name, reason]) => `${name} [${reason}]`),
  }
}

/** The measures, or why there are none. Ours must run; a peer may be missing. */
async function runOnce({ name, appenders }: Run): Promise<AppendMeasures | string> {
  const input: { name: DurableEngineName; load: AppendLoad } = {
    name,
    load: { appenders, ...load },
  }
  try {
    return await inDataDirectory(name.replace(' ', '-'), { tiny: false }, (directory) =>
      runPart<AppendMeasures>(durableParts, 'appenders', directory, input, environmentOf(name)),
    )
  } catch (error) {
    const isPeer = peerNames.some((peer) => peer === name)
    if (!isPeer || !(error instanceof PartFailedError)) throw error
    return error.message
  }
}

function targetsOf(rounds: Rounds): Target[] {
  const rates = (name: DurableEngineName, appenders: number) =>
    rounds.measures.get(keyOf({ name, appenders }))!.map((run) => run.recordsPerSecond)
  const ourP50 = rounds.measures.get(keyOf(runs[0]!))!.map((run) => run.ack.p50Us)
  const bareP50 = rounds.bare.map((run) => run.syncCall.p50Us)
  const best = peerNames
    .map((name) => rates(name, many))
    .filter((of) => of.length > 0)
    .reduce((one, other) => (ratio(one, other) >= 1 ? one : other), [])
  return [
    atMost('one appender, p50, of a bare pwrite + fdatasync', ratio(ourP50, bareP50), 1.5, {
      from: `${show(ourP50)} / ${show(bareP50)} µs`,
    }),
    share('64 appenders on 64 logs, of the same on one log', {
      ours: rates('log each', many),
      other: rates('one log', many),
      bound: 0.7,
    }),
    share('64 appenders on 64 logs, of one appender', {
      ours: rates('log each', many),
      other: rates('one log', 1),
      bound: 10,
    }),
    ...[1, many].flatMap((appenders) =>
      peerNames.map((peer) =>
        share(`${appendersName(appenders)}, of ${peer}`, {
          ours: rates('one log', appenders),
          other: rates(peer, appenders),
          bound: 1,
        }),
      ),
    ),
    share('64 appenders, of the best of the three', {
      ours: rates('one log', many),
      other: best,
      bound: 3,
    }),
  ]
}

function share(
  what: string,
  { ours, other, bound }: { ours: readonly number[]; other: readonly number[]; bound: number },
): Target {
  return atLeast(what, ratio(ours, other), bound, {
    from: `${show(ours)} / ${show(other)} records/s`,
  })
}

/** Of the medians over the rounds; NaN when a side has no figures. */
function ratio(ours: readonly number[], other: readonly number[]): number {
  if (ours.length === 0 || other.length === 0) return Number.NaN
  return median(ours) / median(other)
}

function print({ bare, measures }: Rounds, roundCount: number): void {
  const latency = (of: readonly Latency[]) =>
    [(l: Latency) => l.p50Us, (l: Latency) => l.p99Us, (l: Latency) => l.p999Us]
      .map((pick) => figure(median(of.map(pick))))
      .join(' / ')
  console.log(`\nacknowledged on disk, 1 KiB a record; medians of ${roundCount} rounds`)
  const empty = { 'records/s': '', 'CPU µs a record': '', 'disk B a record': '', flushes: '' }
  printTable([
    {
      run: 'bare, sync call',
      appenders: '',
      'p50 / p99 / p99.9 µs': latency(bare.map((run) => run.syncCall)),
      ...empty,
    },
    {
      run: 'bare, thread pool',
      appenders: '',
      'p50 / p99 / p99.9 µs': latency(bare.map((run) => run.threadPool)),
      ...empty,
    },
    {
      run: `bare, ${many} KiB in one write`,
      appenders: '',
      'p50 / p99 / p99.9 µs': latency(bare.map((run) => run.together)),
      ...empty,
      'records/s': median(bare.map((run) => run.together.recordsPerSecond)),
    },
    ...runs.flatMap((run) => {
      const all = measures.get(keyOf(run))!
      if (all.length === 0) return []
      const counted = (read: (run: AppendMeasures) => number | undefined) =>
        all.some((one) => read(one) === undefined) ? '' : median(all.map((one) => read(one)!))
      return [
        {
          run: isOurs(run.name) ? `stratalog, ${run.name}` : run.name,
          appenders: String(run.appenders),
          'p50 / p99 / p99.9 µs': latency(all.map((one) => one.ack)),
          'records/s': counted((one) => one.recordsPerSecond),
          'CPU µs a record': counted((one) => one.cpuUsPerRecord),
          'disk B a record': counted((one) => one.diskBytesPerRecord),
          flushes: counted((one) => one.deviceFlushesPerRecord),
        },
      ]
    }),
  ])
}

function isOurs(name: DurableEngineName): boolean {
  return ourNames.some((our) => our === name)
}

function show(values: readonly number[]): string {
  return values.length === 0 ? 'skipped' : figure(median(values))
}

function appendersName(count: number): string {
  return count === 1 ? 'one appender' : `${count} appenders`
}

function keyOf({ name, appenders }: Run): string {
  return `${name} × ${appenders}`
}
