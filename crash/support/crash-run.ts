/**
 * What all crash tests share: options, the seed, what is cleaned up however they end, and the
 * closing line. Exit codes: 0 nothing was lost, 1 something was, 2 wrong usage, 3 not run.
 */
import { rmSync } from 'node:fs'
import { inspect } from 'node:util'
import {
  integerArgument,
  noPositionals,
  parseArguments,
  UsageError,
} from '../../src/cli/arguments.ts'
import { SimRandom } from '../../src/platform/sim-random.ts'

/** The test cannot run on this machine; the message says what is missing. */
export class NotRunError extends Error {
  override readonly name = 'NotRunError'
}

export type CrashTest = {
  readonly name: string
  readonly help: string
  readonly defaultCycles: number
  /** Further options, each with the values it may have. */
  readonly choices?: Readonly<Record<string, readonly string[]>>
  run(run: CrashRun): Promise<void>
}

const maxCycles = 1_000_000
const maxSeed = 0xffff_ffff
const shownFaults = 20
const minuteMs = 60_000

export class CrashRun {
  readonly name: string
  readonly cycles: number
  readonly seed: number
  readonly #deadlineMs: number
  readonly #choices: Readonly<Record<string, string | undefined>>
  readonly #cleanups = new Set<() => void>()
  readonly #startedMs = Date.now()
  readonly #cyclesBy = new Map<string, number>()
  #checkedRecords = 0
  #losses = 0
  #faults = 0
  #firstFault: string | undefined

  constructor(
    name: string,
    options: { cycles: number; seed: number; minutes: number },
    choices: Readonly<Record<string, string | undefined>>,
  ) {
    this.name = name
    this.cycles = options.cycles
    this.seed = options.seed
    this.#deadlineMs = this.#startedMs + options.minutes * minuteMs
    this.#choices = choices
  }

  choice(option: string): string | undefined {
    return this.#choices[option]
  }

  /** Numbers of their own for each purpose, so that one part's use does not shift another's. */
  random(purpose: string, cycle = 0): SimRandom {
    let seed = this.seed
    for (const unit of `${purpose} ${cycle}`)
      seed = Math.imul(seed ^ unit.charCodeAt(0), 0x01000193)
    return new SimRandom(seed)
  }

  /** The minutes given are over, or something was found. */
  get isOver(): boolean {
    return Date.now() >= this.#deadlineMs || this.#faults > 0
  }

  get hasFaults(): boolean {
    return this.#faults > 0
  }

  /** Called when the run ends, also by a signal or a failure; the last registered goes first. */
  onEnd(cleanup: () => void): () => void {
    this.#cleanups.add(cleanup)
    return () => this.#cleanups.delete(cleanup)
  }

  /** Removes `directory` at the end, unless something was found there. */
  keepOnFault(directory: string): void {
    this.onEnd(() => {
      if (this.#faults === 0) rmSync(directory, { recursive: true, force: true })
      else this.say(`kept for a look: ${directory}`)
    })
  }

  cleanUp(): void {
    for (const cleanup of [...this.#cleanups].reverse()) {
      this.#cleanups.delete(cleanup)
      try {
        cleanup()
      } catch (error) {
        this.say(`cleaning up: ${(error as Error).message}`)
      }
    }
  }

  say(line: string): void {
    process.stdout.write(`${this.name}: ${line}\n`)
  }

  /** Notes a finished cycle of one kind of load, and now and then says how far it is. */
  cycleDone(kind: string, records: number, of: number): void {
    const done = (this.#cyclesBy.get(kind) ?? 0) + 1
    this.#cyclesBy.set(kind, done)
    this.#checkedRecords += records
    if (done % 20 === 0) this.say(`${kind}: cycle ${done} of ${of}, ${this.#totals()}`)
  }

  checked(records: number): void {
    this.#checkedRecords += records
  }

  /** Prints faults and counts those that say that something was lost. */
  found(where: string, faults: readonly string[]): void {
    this.#faults += faults.length
    this.#losses += faults.filter((fault) => fault.includes('lost: ')).length
    if (faults.length > 0) this.#firstFault ??= `FAULT in ${where}: ${faults[0]}`
    for (const fault of faults.slice(0, shownFaults)) this.say(`FAULT in ${where}: ${fault}`)
    if (faults.length > shownFaults) this.say(`… and ${faults.length - shownFaults} more`)
  }

  /** The closing line, and before it the first fault once more: what follows is often its echo. */
  finish(): void {
    if (this.#firstFault !== undefined) this.say(`first of all: ${this.#firstFault}`)
    const cycles = [...this.#cyclesBy].map(([kind, count]) => `${count} ${kind} cycles`)
    const seconds = ((Date.now() - this.#startedMs) / 1000).toFixed(0)
    this.say(`seed ${this.seed}: ${cycles.join(', ')}, ${this.#totals()}, in ${seconds} s`)
  }

  #totals(): string {
    const others = this.#faults - this.#losses
    return `${this.#checkedRecords} records checked, ${this.#losses} losses, ${others} other faults`
  }
}

/** Runs a crash test from the command line to its exit code. */
export async function crashMain(test: CrashTest): Promise<void> {
  let run: CrashRun
  try {
    const args = process.argv.slice(2)
    if (args.includes('--help')) {
      process.stdout.write(`${test.help}\n`)
      return
    }
    run = parse(test, args)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`${test.name}: ${error.message}\n\n${test.help}\n`)
    process.exitCode = 2
    return
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      run.say(`${signal}: cleaning up`)
      run.cleanUp()
      process.exit(1)
    })
  }
  run.say(`seed ${run.seed}`)
  process.exitCode = await outcome(test, run)
  run.cleanUp()
  // What still waits for a socket of a server that is gone need not be waited for.
  process.exit()
}

async function outcome(test: CrashTest, run: CrashRun): Promise<number> {
  try {
    await test.run(run)
  } catch (error) {
    if (error instanceof NotRunError) {
      run.say(`not run: ${error.message}`)
      return 3
    }
    run.found('the test itself', [inspect(error)])
  }
  run.finish()
  return run.hasFaults ? 1 : 0
}

function parse(test: CrashTest, args: readonly string[]): CrashRun {
  const choices = test.choices ?? {}
  const extra = Object.fromEntries(
    Object.keys(choices).map((name) => [name, { type: 'string' as const }]),
  )
  const { values, positionals } = parseArguments(args, {
    cycles: { type: 'string' },
    seed: { type: 'string' },
    minutes: { type: 'string' },
    ...extra,
  })
  noPositionals(positionals)
  const text = (name: string) => (values as Record<string, string | undefined>)[name]
  const chosen = Object.entries(choices).map(([name, allowed]) => {
    const value = text(name)
    if (value !== undefined && !allowed.includes(value)) {
      throw new UsageError(`--${name} is "${value}": expected one of ${allowed.join(', ')}`)
    }
    return [name, value]
  })
  const cycles = integerArgument('cycles', text('cycles'), {
    // With a time limit alone, the time decides.
    default: text('minutes') === undefined ? test.defaultCycles : maxCycles,
    min: 1,
    max: maxCycles,
  })
  const seed = integerArgument('seed', text('seed'), {
    default: Math.floor(Math.random() * maxSeed),
    min: 0,
    max: maxSeed,
  })
  const minutes = integerArgument('minutes', text('minutes'), {
    default: Number.MAX_SAFE_INTEGER,
    min: 1,
    max: 10_000,
  })
  return new CrashRun(test.name, { cycles, seed, minutes }, Object.fromEntries(chosen))
}
