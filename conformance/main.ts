/**
 * Runs suites one after the other, compares what they give with what is expected of them, and prints
 * the table. Exit codes: 0 all as expected, 1 something was not, 2 wrong usage, 3 the one suite that
 * was asked for cannot run here.
 */
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { killAll } from '../peers/child.ts'
import { NotRunError } from '../peers/not-run.ts'
import { missingTools } from '../peers/toolchain.ts'
import { parseArguments, UsageError } from '../src/cli/arguments.ts'
import {
  type Comparison,
  compareWithExpectations,
  ExpectationsError,
  parseExpectations,
} from './support/expectations.ts'
import {
  countsLine,
  isAsExpected,
  reportTable,
  runSummary,
  type SuiteReport,
} from './support/report-table.ts'
import type { Address } from './support/server-under-test.ts'
import type { Suite, TestResult } from './support/suite.ts'
import { SuiteContext } from './support/suite-context.ts'

const help = `usage: npm run conformance -- [options] [suite] [-- arguments of the suite]

  --fast              only the suites that take a few minutes at most
  --server host:port  against a broker that is running already; nothing is expected of it
  --list              name the suites`

type Request = {
  readonly suites: readonly Suite[]
  readonly isSingle: boolean
  readonly isFast: boolean
  readonly against: Address | undefined
  readonly extra: readonly string[]
}

const root = process.cwd()
process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      killAll()
      process.exit(1)
    })
  }
  process.on('exit', killAll)
  try {
    if (args.includes('--help')) {
      process.stdout.write(`${help}\n`)
      return 0
    }
    const suites = await findSuites()
    if (args.includes('--list')) {
      for (const { name, fast } of suites) process.stdout.write(`${name}${fast ? ' (fast)' : ''}\n`)
      return 0
    }
    const request = parse(args, suites)
    if (request.against !== undefined) await checkListening(request.against)
    return await runSuites(request)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`conformance: ${error.message}\n\n${help}\n`)
    return 2
  }
}

/** Every folder of conformance/ with a run.ts, by name. */
async function findSuites(): Promise<Suite[]> {
  const folders = readdirSync(join(root, 'conformance')).sort()
  const suites: Suite[] = []
  for (const folder of folders) {
    if (!existsSync(join(root, 'conformance', folder, 'run.ts'))) continue
    const { suite } = (await import(new URL(`./${folder}/run.js`, import.meta.url).href)) as {
      suite: Suite
    }
    if (suite?.name !== folder) throw new Error(`conformance/${folder}/run.ts: no suite ${folder}`)
    suites.push(suite)
  }
  return suites
}

function parse(args: readonly string[], suites: readonly Suite[]): Request {
  const end = args.indexOf('--')
  const own = end === -1 ? args : args.slice(0, end)
  const extra = end === -1 ? [] : args.slice(end + 1)
  const { values, positionals } = parseArguments(own, {
    fast: { type: 'boolean' },
    server: { type: 'string' },
  })
  const [name, ...others] = positionals
  const names = suites.map((suite) => suite.name).join(', ')
  if (others.length > 0) throw new UsageError(`unexpected argument ${JSON.stringify(others[0])}`)
  if (name === undefined && extra.length > 0) throw new UsageError(`arguments for which suite?`)
  const isFast = values.fast === true
  const against = values.server === undefined ? undefined : parseAddress(values.server)
  if (name === undefined) {
    const chosen = suites.filter((suite) => suite.fast || !isFast)
    return { suites: chosen, isSingle: false, isFast, against, extra }
  }
  const suite = suites.find((known) => known.name === name)
  if (suite === undefined) throw new UsageError(`no suite ${name}: expected one of ${names}`)
  return { suites: [suite], isSingle: true, isFast, against, extra }
}

function parseAddress(text: string): Address {
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(text) ?? []
  if (host === undefined) throw new UsageError(`--server is ${text}: expected host:port`)
  return { host, port: Number(port) }
}

/** Suites wait long for a broker that does not answer: one that is not there is seen at once. */
async function checkListening({ host, port }: Address): Promise<void> {
  const socket = connect({ host, port })
  try {
    await once(socket, 'connect')
  } catch (error) {
    throw new UsageError(`no broker at ${host}:${port}: ${(error as Error).message}`)
  } finally {
    socket.destroy()
  }
}

async function runSuites(request: Request): Promise<number> {
  const reports: SuiteReport[] = []
  for (const suite of request.suites) {
    const report = await runSuite(suite, request)
    reports.push(report)
    printReport(report)
  }
  const reportPath = process.env['STRATALOG_TEST_REPORT']
  if (reportPath !== undefined && reportPath !== '') {
    writeFileSync(reportPath, `${JSON.stringify(runSummary(reports), undefined, 2)}\n`)
  }
  const [first] = reports
  if (request.isSingle && first !== undefined) {
    if (first.notRun !== undefined) return 3
    process.stdout.write(`${countsLine(first.results)}\n`)
  } else process.stdout.write(`\n${reportTable(reports)}\n`)
  return isAsExpected(reports) ? 0 : 1
}

async function runSuite(suite: Suite, request: Request): Promise<SuiteReport> {
  const { isFast, against, extra } = request
  const missing = missingTools(suite.tools)
  const startedMs = Date.now()
  const seconds = () => (Date.now() - startedMs) / 1000
  const none = { results: [], unexpected: [], known: [], remarks: [] }
  const blank = { suite: suite.name, ...none, seconds: 0 }
  if (missing !== undefined) return { ...blank, notRun: missing }
  const context = new SuiteContext({ root, suite: suite.name, extra, isFast, against })
  const unexpected: string[] = []
  let results: readonly TestResult[] = []
  let known: Comparison['known'] = []
  try {
    results = await suite.run(context)
    if (results.length === 0) unexpected.push('no test was run')
    const verdict = judge(context, results)
    unexpected.push(...verdict.surprises, ...verdict.stale)
    known = verdict.known
  } catch (error) {
    if (error instanceof NotRunError) return { ...blank, notRun: error.message }
    const isBadFile = error instanceof ExpectationsError
    unexpected.push(isBadFile ? `expectations.json: ${error.message}` : inspect(error))
  } finally {
    unexpected.push(...(await context.end()))
  }
  if (unexpected.length === 0) rmSync(context.scratch, { recursive: true, force: true })
  const remarks = against === undefined ? context.remarks : ['not our server', ...context.remarks]
  return { suite: suite.name, results, unexpected, known, seconds: seconds(), remarks }
}

/** Of a broker that is not ours nothing is expected: all that failed is said. */
function judge(context: SuiteContext, results: readonly TestResult[]): Comparison {
  const path = join(context.source, 'expectations.json')
  const expectations = parseExpectations(existsSync(path) ? readFileSync(path, 'utf8') : '{}')
  if (context.against !== undefined) {
    const failed = results.filter(({ outcome }) => outcome === 'failed')
    return { ...compareWithExpectations(failed, new Map(), { isComplete: false }), known: [] }
  }
  const isComplete = context.extra.length === 0 && !context.isFast
  const verdict = compareWithExpectations(results, expectations, { isComplete })
  return { ...verdict, stale: verdict.stale.map((line) => `stale expectation: ${line}`) }
}

function printReport({ suite, notRun, results, unexpected, seconds }: SuiteReport): void {
  const print = (line: string) => process.stdout.write(`${suite}: ${line}\n`)
  if (notRun !== undefined) {
    print(`not run: ${notRun}`)
    return
  }
  for (const line of unexpected) print(`UNEXPECTED ${line}`)
  print(`${countsLine(results)}, ${unexpected.length} unexpected, in ${seconds.toFixed(0)} s`)
}
