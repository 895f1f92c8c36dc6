/**
 * The long run, outside of vitest:
 *
 *     npm run crash -- --minutes 10 [--seed 1] [--mode random|exhaustive|both] [--script logs|groups]
 *     npm run crash -- --mode random --seed 17              that history alone
 *     npm run crash -- --mode exhaustive --script groups --seed 1 --at 57   that place alone
 *
 * Without `--minutes` one seed runs. A failure is printed with all it takes to see it again, and
 * makes the exit code 1.
 */
import { parseArgs } from 'node:util'
import { searchExhaustively } from './exhaustive.ts'
import { runHistory } from './history.ts'
import { HistoryFailure } from './history-failure.ts'
import { type ScriptName, scriptNames } from './scripts.ts'

const modes = ['random', 'exhaustive', 'both'] as const
type Mode = (typeof modes)[number]

const usage = `usage: npm run crash -- [--minutes N] [--seed N] [--mode ${modes.join('|')}] [--script ${scriptNames.join('|')}] [--at N]`

/** Random histories between two exhaustive searches, when both run. */
const historiesPerSearch = 2_000
const reportEveryMs = 10_000

type Settings = {
  readonly minutes: number
  readonly seed: number
  readonly mode: Mode
  /** Scripts that are searched, one after the other. */
  readonly scripts: readonly ScriptName[]
  readonly at: number | undefined
}

function readSettings(args: readonly string[]): Settings {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string' },
      seed: { type: 'string' },
      mode: { type: 'string' },
      script: { type: 'string' },
      at: { type: 'string' },
    },
  })
  const mode = values.mode ?? 'both'
  if (!isMode(mode)) throw new TypeError(`--mode is ${mode}: expected one of ${modes.join(', ')}`)
  const { script } = values
  if (script !== undefined && !isScript(script)) {
    throw new TypeError(`--script is ${script}: expected one of ${scriptNames.join(', ')}`)
  }
  return {
    scripts: script === undefined ? scriptNames : [script],
    minutes: numberOf('minutes', values.minutes) ?? 0,
    seed: integerOf('seed', values.seed) ?? 1,
    mode,
    at: integerOf('at', values.at),
  }
}

function isMode(text: string): text is Mode {
  return (modes as readonly string[]).includes(text)
}

function isScript(text: string): text is ScriptName {
  return (scriptNames as readonly string[]).includes(text)
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0))
    throw new TypeError(`--${name} is ${text}: expected a number`)
  return value
}

function integerOf(name: string, text: string | undefined): number | undefined {
  const value = numberOf(name, text)
  if (value !== undefined && !Number.isSafeInteger(value)) {
    throw new TypeError(`--${name} is ${text}: expected an integer`)
  }
  return value
}

async function run({ minutes, seed, mode, scripts, at }: Settings): Promise<void> {
  const started = performance.now()
  const isOver = (): boolean => performance.now() - started >= minutes * 60_000
  let checks = 0
  let next = seed
  let reportedMs = started
  const report = (): void => {
    const seconds = Math.round((performance.now() - started) / 1000)
    console.log(`${checks} crash-and-recover checks in ${seconds} s, seeds ${seed} to ${next - 1}`)
  }
  do {
    const hasSearch =
      mode === 'exhaustive' || (mode === 'both' && (next - seed) % historiesPerSearch === 0)
    if (hasSearch) {
      const place = at === undefined ? {} : { at }
      const isEnough = minutes > 0 ? isOver : () => false
      for (const script of scripts) {
        checks += (await searchExhaustively({ seed: next, script, isEnough, ...place })).checks
      }
    }
    if (mode !== 'exhaustive') checks += (await runHistory({ seed: next })).checks
    next++
    if (!isOver() && performance.now() - reportedMs > reportEveryMs) {
      reportedMs = performance.now()
      report()
    }
  } while (!isOver())
  report()
}

try {
  await run(readSettings(process.argv.slice(2)))
} catch (error) {
  const isExpected = error instanceof HistoryFailure || error instanceof TypeError
  console.error(isExpected ? error.message : error)
  if (error instanceof TypeError) console.error(usage)
  process.exitCode = 1
}
