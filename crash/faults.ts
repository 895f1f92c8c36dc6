/**
 * `npm run crash:faults`: every system call that the engine makes on its files, failed once. A
 * scripted run of an embedded store is repeated with one fault each: errors by strace, short
 * transfers by a preloaded library; on a fresh directory and on one that a crash has left.
 */
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { openStore } from '../src/public.ts'
import { command, requireTools } from './support/command.ts'
import { type CrashRun, crashMain } from './support/crash-run.ts'
import {
  countCalls,
  type Fault,
  type RunPlace,
  type RunResult,
  runPlainly,
  runWithFault,
  runWithShortCall,
  traceAll,
} from './support/injection.ts'
import { afterKill } from './support/log-model.ts'
import { readStore } from './support/read-store.ts'
import { ReportReader } from './support/report-reader.ts'
import { StoreModel } from './support/store-model.ts'

const help = `Usage: npm run crash:faults -- [options]

Fails each system call of a scripted run once, with each error, and checks: no false
acknowledgement, every error a typed one, no hang, and a restart without the fault finds all that
was acknowledged. Needs Debian's strace and a C compiler.

  --cycles <n>    runs, chosen by the seed         (all there are, about 3,000)
  --minutes <n>   ends after this time
  --seed <n>      makes the same choices again

Exit codes: 0 nothing lost, 1 something was, 2 usage, 3 not run.`

const errorsOf: Readonly<Record<string, readonly string[]>> = {
  pwrite64: ['EIO', 'ENOSPC', 'EINTR', 'short'],
  pwritev: ['EIO', 'ENOSPC', 'EINTR'],
  pwritev2: ['EIO', 'ENOSPC', 'EINTR'],
  write: ['EIO', 'ENOSPC', 'EINTR'],
  writev: ['EIO', 'ENOSPC', 'EINTR'],
  fdatasync: ['EIO', 'ENOSPC', 'EINTR'],
  io_submit: ['EAGAIN', 'EINVAL'],
  syncfs: ['EIO', 'ENOSPC', 'EINTR'],
  sync_file_range: ['EIO', 'ENOSPC', 'EINVAL'],
  fsync: ['EIO', 'ENOSPC', 'EINTR'],
  rename: ['EIO', 'ENOSPC', 'EINTR'],
  openat: ['EIO', 'ENOSPC', 'EINTR', 'EMFILE'],
  ftruncate: ['EIO', 'ENOSPC', 'EINTR'],
  fallocate: ['EIO', 'ENOSPC', 'EINTR'],
  unlink: ['EIO', 'EINTR'],
  mkdir: ['EIO', 'ENOSPC'],
  pread64: ['EIO', 'EINTR', 'short'],
}
const calls = Object.keys(errorsOf)
const laneCount = 2
/** So small that it is made at the first sync, and turns. */
const smallJournalBytes = 48 * 1024

type Scenario = {
  readonly name: 'fresh' | 'crashed'
  /** What the directory holds before the run. */
  readonly template: string
  readonly journalBytes: number
  /** What was reported when the template was made. */
  readonly history: readonly string[]
}

type Task = { readonly scenario: Scenario; readonly fault: Fault }

class FaultTests {
  readonly #run: CrashRun
  readonly #folder: string
  readonly #preload: string
  readonly #table = new Map<string, { runs: number; missed: number; faults: number }>()
  #pathsOf = new Map<string, readonly string[]>()
  #tasks: Task[] = []

  constructor(run: CrashRun, folder: string) {
    this.#run = run
    this.#folder = folder
    this.#preload = join(folder, 'short-io.so')
    const source = join('crash', 'support', 'short-io.c')
    command('cc', '-shared', '-fPIC', '-O1', '-o', this.#preload, source, '-ldl')
  }

  async all(): Promise<void> {
    for (const scenario of [this.#fresh(), await this.#crashed()]) await this.#plan(scenario)
    const random = this.#run.random('tasks')
    const total = this.#tasks.length
    // A part of them is a fair choice; all of them come in order.
    if (this.#run.cycles < total) {
      for (let i = total - 1; i > 0; i--) {
        const other = random.below(i + 1)
        const task = this.#tasks[i]!
        this.#tasks[i] = this.#tasks[other]!
        this.#tasks[other] = task
      }
      this.#tasks.length = this.#run.cycles
    }
    this.#run.say(`${this.#tasks.length} of ${total} faults`)
    const of = this.#tasks.length
    let next = 0
    const lanes = Array.from({ length: laneCount }, async (_, lane) => {
      while (next < of && !this.#run.isOver) await this.#one(lane, this.#tasks[next++]!, of)
    })
    await Promise.all(lanes)
    this.#print()
  }

  #fresh(): Scenario {
    const template = join(this.#folder, 'fresh')
    mkdirSync(template)
    return { name: 'fresh', template, journalBytes: 0, history: [] }
  }

  /** A directory as a killed process leaves it, with bytes of a batch that was being written. */
  async #crashed(): Promise<Scenario> {
    const place = this.#place('crashed-template', 'crashed', {
      end: 'abandon',
      journalBytes: smallJournalBytes,
    })
    const { report, stderr } = await runPlainly(place)
    const isWhole = report.some((line) => line.startsWith('ack b-0'))
    if (!isWhole) throw new Error(`the scripted run does not work without a fault: ${stderr}`)
    for (const log of ['a-0', 'b-0']) {
      const folder = join(place.directory, log)
      const last = readdirSync(folder)
        .filter((name) => name.endsWith('.log'))
        .sort()
        .at(-1)!
      writeFileSync(join(folder, last), Buffer.alloc(77, 1), { flag: 'a' })
    }
    const { directory: template, journalBytes } = place
    return { name: 'crashed', template, journalBytes, history: report }
  }

  #place(name: string, life: string, how: Pick<RunPlace, 'end' | 'journalBytes'>): RunPlace {
    const folder = join(this.#folder, name)
    mkdirSync(folder, { recursive: true })
    return {
      directory: join(folder, 'data'),
      reportPath: join(folder, 'report'),
      tracePath: join(folder, 'trace'),
      life,
      ...how,
    }
  }

  /** Counts the calls of one kind of run and plans a fault for each. */
  async #plan(scenario: Scenario): Promise<void> {
    for (let lane = 0; lane < laneCount; lane++) {
      const place = this.#laneOf(lane, scenario)
      const { trace, report, stderr } = await traceAll(place, calls)
      if (!report.includes('closed'))
        throw new Error(`without a fault it does not close: ${stderr}`)
      const counted = countCalls(trace, place.directory)
      this.#pathsOf.set(`${lane} ${scenario.name}`, counted.paths)
      if (lane > 0) continue
      for (const [call, count] of counted.calls) {
        for (const error of errorsOf[call] ?? []) {
          for (let at = 1; at <= count; at++)
            this.#tasks.push({ scenario, fault: { call, error, at } })
        }
      }
    }
  }

  /** A lane's place, with the directory as the scenario begins. */
  #laneOf(lane: number, scenario: Scenario): RunPlace {
    const place = this.#place(`lane-${lane}`, 'faulty', {
      end: 'close',
      journalBytes: scenario.journalBytes,
    })
    rmSync(place.directory, { recursive: true, force: true })
    cpSync(scenario.template, place.directory, { recursive: true })
    return place
  }

  async #one(lane: number, { scenario, fault }: Task, of: number): Promise<void> {
    const place = this.#laneOf(lane, scenario)
    const result =
      fault.error === 'short'
        ? await runWithShortCall(place, fault, this.#preload)
        : await runWithFault(place, fault, this.#pathsOf.get(`${lane} ${scenario.name}`)!)
    const isInjected = result.trace.some((line) => line.includes('INJECTED'))
    const { faults, records } = await judge(place, scenario, fault, result)
    const where = `${scenario.name} directory, ${fault.call} ${fault.at}: ${fault.error}`
    if (faults.length > 0) {
      const kept = join(
        this.#folder,
        `kept-${scenario.name}-${fault.call}-${fault.at}-${fault.error}`,
      )
      cpSync(join(this.#folder, `lane-${lane}`), kept, { recursive: true })
    }
    this.#run.found(where, faults)
    const row = `${fault.call.padEnd(10)} ${fault.error.padEnd(7)}`
    const counts = this.#table.get(row) ?? { runs: 0, missed: 0, faults: 0 }
    counts.runs++
    if (!isInjected) counts.missed++
    if (faults.length > 0) counts.faults++
    this.#table.set(row, counts)
    this.#run.cycleDone('fault', records, of)
  }

  #print(): void {
    this.#run.say('call       error     runs  not hit  failures')
    for (const [row, { runs, missed, faults }] of [...this.#table].sort()) {
      const figures = [
        String(runs).padStart(6),
        String(missed).padStart(8),
        String(faults).padStart(9),
      ]
      this.#run.say(`${row} ${figures.join(' ')}`)
    }
  }
}

async function judge(
  place: RunPlace,
  scenario: Scenario,
  fault: Fault,
  result: RunResult,
): Promise<{ faults: string[]; records: number }> {
  const model = new StoreModel()
  const reader = new ReportReader(model, afterKill)
  for (const line of [...scenario.history, ...result.report]) reader.take(line)
  const faults = [...reader.faults]
  if (result.isHung) faults.push('it hung')
  else if (result.exitCode !== 0 && !(result.exitCode === 1 && reader.errors.length > 0)) {
    faults.push(`it ended with ${result.exitCode}: ${result.stderr}`)
  }
  faults.push(...reader.untypedErrors.map((error) => `not a typed error: ${error}`))
  // Refused as such, sync_file_range says nothing of the file, and fdatasync is asked.
  const isSync = fault.call === 'fdatasync' || fault.call === 'sync_file_range'
  if (isSync && fault.error !== 'EINVAL') {
    const rule = scenario.journalBytes === 0 ? falseAcks : falseJournalAcks
    faults.push(...rule(result.trace))
  }
  try {
    const again = await restart(place.directory, model, faults)
    return { faults, records: again }
  } catch (error) {
    faults.push(`lost: it does not open again: ${(error as Error).stack}`)
    return { faults, records: 0 }
  }
}

/** Opens without the fault: everything is there, and the store works. */
async function restart(directory: string, model: StoreModel, faults: string[]): Promise<number> {
  const store = await openStore(directory)
  let records = 0
  try {
    const judged = model.check(await readStore(store, (fault) => faults.push(fault)), afterKill)
    faults.push(...judged.faults)
    records = judged.records
    const log = await store.log('after')
    if ((await log.append('works')).level !== 'disk')
      faults.push('it does not work after a restart')
  } finally {
    await store.close()
  }
  return records
}

type TraceEvent =
  | { readonly kind: 'sync'; readonly path: string; readonly errno: string | undefined }
  | { readonly kind: 'ack'; readonly log: string }
  | { readonly kind: 'error' }

/** The ends of syncs of one file, the acknowledgements at `disk` and the errors in a trace, in order. */
function* eventsIn(trace: readonly string[]): Generator<TraceEvent> {
  /** Per thread: the file whose sync it is in, where strace shows beginning and end apart. */
  const begun = new Map<string, string>()
  for (const line of trace) {
    const thread = line.slice(0, line.indexOf(' '))
    const isSync = /(?:fdatasync|sync_file_range)\b/.test(line)
    const path = /(?:fdatasync|sync_file_range)\(\d+<([^>]*)>/.exec(line)?.[1] ?? begun.get(thread)
    if (path !== undefined && isSync && line.includes('<unfinished')) {
      begun.set(thread, path)
    } else if (path !== undefined && isSync) {
      begun.delete(thread)
      yield { kind: 'sync', path, errno: /= -1 (E\w+)/.exec(line)?.[1] }
    }
    const log = /write\(\d+<[^>]*>, "ack (\S+) disk /.exec(line)?.[1]
    if (log !== undefined) yield { kind: 'ack', log }
    if (/write\(\d+<[^>]*>, "error /.test(line)) yield { kind: 'error' }
  }
}

/** Acknowledgements at `disk` that the script was given for a log after its fdatasync had failed. */
function falseAcks(trace: readonly string[]): string[] {
  const failed = new Set<string>()
  const interrupted = new Set<string>()
  const faults: string[] = []
  for (const event of eventsIn(trace)) {
    if (event.kind === 'ack') {
      if (!failed.has(event.log)) continue
      faults.push(`a false acknowledgement at disk after a failed fdatasync of ${event.log}`)
      continue
    }
    if (event.kind === 'error') continue
    const log = /\/([^/]+)\/\d{20}\.log$/.exec(event.path)?.[1]
    if (log === undefined) continue
    if (event.errno !== undefined) failed.add(log)
    // An interrupted call has done nothing and may be repeated; after another error the kernel
    // may have dropped the pages, and a later success says nothing.
    else if (interrupted.has(log)) failed.delete(log)
    if (event.errno === 'EINTR') interrupted.add(log)
  }
  return faults
}

/**
 * The same with a journal, which holds what a segment's failed fdatasync was to make durable. Until the
 * first error the pool's thread, which runs ahead, has failed a sync after the one that is acknowledged.
 */
function falseJournalAcks(trace: readonly string[]): string[] {
  let isMade = false
  let hasFailed = false
  let isTold = false
  const faults: string[] = []
  for (const event of eventsIn(trace)) {
    if (event.kind === 'error') isTold = hasFailed
    else if (event.kind === 'ack') {
      if (isTold) faults.push(`a false acknowledgement at disk, of ${event.log}`)
    } else if (event.path.endsWith('.journal')) {
      // One whose first sync fails is none: segments are synced then.
      if (event.errno === undefined) isMade = true
      else if (isMade && event.errno !== 'EINTR') hasFailed = true
    }
  }
  return faults
}

async function run(crash: CrashRun): Promise<void> {
  requireTools({ strace: 'strace', cc: 'gcc' })
  const folder = resolve('.cache', 'crash-data', `faults-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  crash.keepOnFault(folder)
  await new FaultTests(crash, folder).all()
}

await crashMain({ name: 'crash:faults', help, defaultCycles: 1_000_000, run })
