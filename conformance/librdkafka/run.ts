/**
 * librdkafka's own tests, those that need a broker: one process each, several at a time, each lane
 * with a server of its own. With `--fast` in librdkafka's quick mode, which leaves out parts; tests
 * that would do nothing at all then are no results.
 *
 * Arguments of its own: the numbers of the tests to run, and options of the test runner: `-Q` for the
 * quick mode, `-P` for idempotent producers everywhere.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseExpectations } from '../support/expectations.ts'
import type { ServerUnderTest } from '../support/server-under-test.ts'
import type { Suite, TestResult } from '../support/suite.ts'
import type { SuiteContext } from '../support/suite-context.ts'
import { builtTests } from './build.ts'
import { plannedTests, type Run, resultName, runsOf } from './plan.ts'

/** The tests wait most of the time: more than there are cores, so that they wait together. */
const laneCount = 4
const limitMs = 420_000
/** A test that took less has asked no server for anything. */
const leastSeconds = 0.002
/** A test of which there is no report. */
const lost: ReportedTest = { state: 'LOST', extra: '', duration: 0 }

type Report = {
  readonly tests: Readonly<Record<string, ReportedTest>>
}

/** `duration` in seconds. */
type ReportedTest = { readonly state: string; readonly extra: string; readonly duration: number }

type Bench = {
  readonly context: SuiteContext
  /** The folder of the built tests. */
  readonly tests: string
  /** The folder with `bin/kafka-topics.sh`. */
  readonly kafkaPath: string
  readonly options: readonly string[]
  /** Whether there is an entry in expectations.json. */
  readonly isKnown: (name: string) => boolean
}

export const suite: Suite = {
  name: 'librdkafka',
  tools: ['npm', 'python3', 'make', 'gcc', 'g++', 'tar'],
  fast: false,
  async run(context) {
    const tests = await builtTests(context)
    const options = context.extra.filter((argument) => argument.startsWith('-'))
    if (context.isFast && !options.includes('-Q')) options.push('-Q')
    const expectations = parseExpectations(
      readFileSync(join(context.source, 'expectations.json'), 'utf8'),
    )
    const isKnown = (name: string) => expectations.has(name)
    const bench = { context, tests, kafkaPath: writeKafkaTools(context), options, isKnown }
    const numbers = context.extra.filter((argument) => !argument.startsWith('-'))
    const runs = plannedTests(readFileSync(join(tests, 'test.c'), 'utf8'))
      .filter(({ number }) => numbers.length === 0 || numbers.includes(number))
      .flatMap(runsOf)
    try {
      return await runAll(bench, runs)
    } finally {
      removeLeavings(tests)
    }
  },
}

/**
 * Several runs at a time, the long ones first; one that failed unexpectedly is run again when
 * nothing else runs.
 */
async function runAll(bench: Bench, runs: readonly Run[]): Promise<TestResult[]> {
  const queue = runs.toSorted((a, b) => Number(b.isLong) - Number(a.isLong))
  const done = new Map<Run, readonly TestResult[]>()
  const lane = async () => {
    const servers = new Servers(bench.context)
    for (let run = queue.shift(); run !== undefined; run = queue.shift()) {
      done.set(run, await runTest(bench, run, await servers.for(run)))
    }
  }
  await Promise.all(Array.from({ length: laneCount }, lane))

  const hasFailed = (run: Run) =>
    done.get(run)?.some(({ name, outcome }) => outcome === 'failed' && !bench.isKnown(name)) ===
    true
  const servers = new Servers(bench.context)
  for (const run of runs.filter(hasFailed)) {
    done.set(run, await runTest(bench, run, await servers.for(run)))
    if (hasFailed(run)) continue
    bench.context.remarks.push(`${resultName(run.number, run)} only passed when run alone`)
  }
  return runs.flatMap((run) => done.get(run) ?? [])
}

/** The servers of one lane, started when the first run needs them. */
class Servers {
  readonly #context: SuiteContext
  readonly #started = new Map<string, ServerUnderTest>()

  constructor(context: SuiteContext) {
    this.#context = context
  }

  async for({ server: args }: Run): Promise<ServerUnderTest> {
    const key = args.join(' ')
    const started = this.#started.get(key) ?? (await this.#context.server({ args }))
    this.#started.set(key, started)
    return started
  }
}

async function runTest(bench: Bench, run: Run, server: ServerUnderTest): Promise<TestResult[]> {
  const { context, tests, kafkaPath, options } = bench
  const title = resultName(run.number, run).replaceAll(/[^\w.]+/g, '-')
  const id = run.scenario === 'default' ? title : `${title}-${run.scenario}`
  const config = join(context.scratch, `${id}.conf`)
  const report = join(context.scratch, `${id}.json`)
  rmSync(report, { force: true })
  writeFileSync(config, [`metadata.broker.list=${server.address}`, ...run.config, ''].join('\n'))
  const args = ['-p1', '-L', '-s', run.scenario, ...options]
  const child = await context.run('./test-runner', args, {
    cwd: tests,
    env: {
      LD_LIBRARY_PATH: '../src:../src-cpp',
      RDKAFKA_TEST_CONF: config,
      TEST_KAFKA_VERSION: run.brokerVersion,
      TEST_REPORT: report,
      TESTS: run.number,
      KAFKA_PATH: kafkaPath,
      BROKERS: server.address,
      // Whether it is a CI that runs them makes some tests skip themselves.
      CI: '',
      ...(run.part === undefined ? {} : { SUBTESTS: run.part }),
    },
    limitMs,
    log: `${id}.log`,
  })
  const output = `${child.stdout}${child.stderr}`.replaceAll(/\x1b\[[0-9;]*m/g, '')
  const reported = readReport(report)
  const isQuick = options.includes('-Q')
  return run.names.flatMap((name): TestResult[] => {
    const result = { name: resultName(name, run) }
    const test = reported.tests[name] ?? lost
    if (isQuick && isLeftOut(run, test, output)) return []
    const { state, extra } = test
    if (state === 'SKIPPED') return [{ ...result, outcome: 'skipped', detail: extra }]
    if (state === 'PASSED' && child.code === 0 && !child.isTimedOut && hasBegun(run, output)) {
      return [{ ...result, outcome: 'passed' }]
    }
    return [{ ...result, outcome: 'failed', detail: failureIn(output, name) }]
  })
}

/** Whether all that a test would do is left out in quick mode. */
function isLeftOut(run: Run, { state, duration }: ReportedTest, output: string): boolean {
  if (output.includes('Test skipped due to quick mode')) return true
  return state === 'PASSED' && (duration < leastSeconds || !hasBegun(run, output))
}

/** A test without the part that was asked for does nothing, and passes. */
function hasBegun({ part }: Run, output: string): boolean {
  if (part === undefined) return true
  return output.split('\n').some((line) => line.includes('] [ ') && line.includes(part))
}

function readReport(path: string): Report {
  if (!existsSync(path)) return { tests: {} }
  return JSON.parse(readFileSync(path, 'utf8')) as Report
}

/** What the test said as it failed: the two lines from `### Test "<name>…` on. */
function failureIn(output: string, name: string): string {
  const at = output.indexOf(`### Test "${name}`)
  const lines = (at === -1 ? output : output.slice(at)).split('\n')
  return (at === -1 ? lines.slice(-3) : lines.slice(0, 2)).join(' ').trim()
}

/** `kafka-topics.sh` as some tests call it, by a program of ours. */
function writeKafkaTools(context: SuiteContext): string {
  const folder = join(context.scratch, 'kafka')
  mkdirSync(join(folder, 'bin'), { recursive: true })
  const script = join(import.meta.dirname, 'kafka-topics.js')
  const text = `#!/bin/sh\nexec '${process.execPath}' '${script}' "$@"\n`
  writeFileSync(join(folder, 'bin', 'kafka-topics.sh'), text, { mode: 0o755 })
  return folder
}

/** The tests write into the folder they are run in. */
function removeLeavings(tests: string): void {
  for (const name of readdirSync(tests)) {
    if (/^stats_.*\.json$|\.offset$/.test(name)) rmSync(join(tests, name))
  }
}
