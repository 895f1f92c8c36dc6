/**
 * The end-to-end tests of node-rdkafka, librdkafka's older binding for Node: producers, consumers,
 * groups and administration as its users call them.
 *
 * Arguments of its own are mocha's: `-- --grep header`.
 */
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Kafka, logLevel } from 'kafkajs'
import type { Suite, TestResult } from '../support/suite.ts'
import type { SuiteContext } from '../support/suite-context.ts'

const binding = 'node-rdkafka@3.6.1' // librdkafka 2.12.0
const mocha = 'mocha@10.8.2'

const maxAttempts = 3
const installLimitMs = 900_000
const limitMs = 240_000

/** With one partition each, made before: the tests count on the order of what they wrote. */
const topics = ['test', 'test2', 'test3', 'test4', 'test5', 'test6']

/** What mocha's JSON reporter writes. */
const wholeReport = /^\{\n {2}"stats"[\s\S]*^\}/m
type Report = { readonly tests: readonly ReportedTest[] }
type ReportedTest = { readonly fullTitle: string; readonly err: { readonly message?: string } }

type Bench = {
  readonly context: SuiteContext
  readonly folder: string
  readonly address: string
  readonly spec: string
}

export const suite: Suite = {
  name: 'node-rdkafka',
  tools: ['npm', 'python3', 'make', 'gcc', 'g++'],
  fast: true,
  async run(context) {
    const folder = await context.installed('tests', `${binding} ${mocha}`, (cwd) =>
      install(context, cwd),
    )
    const server = await context.server()
    await createTopics(server.address)
    const specs = readdirSync(join(folder, 'node_modules', 'node-rdkafka', 'e2e'))
    const results: TestResult[] = []
    for (const spec of specs.filter((name) => name.endsWith('.spec.js')).sort()) {
      results.push(...(await runSpec({ context, folder, address: server.address, spec })))
    }
    return results
  },
}

async function install(context: SuiteContext, cwd: string): Promise<void> {
  writeFileSync(join(cwd, 'package.json'), '{ "private": true }\n')
  const options = { cwd, limitMs: installLimitMs, log: 'build.log' }
  const quietly = ['--no-audit', '--no-fund']
  await context.mustRun('npm', ['install', '--ignore-scripts', ...quietly, binding, mocha], options)
  // Its build does not stand several jobs at once.
  await context.mustRun('npm', ['rebuild', '--foreground-scripts', 'node-rdkafka'], {
    ...options,
    env: { JOBS: '1' },
  })
}

async function createTopics(address: string): Promise<void> {
  const admin = new Kafka({ brokers: [address], logLevel: logLevel.ERROR }).admin()
  await admin.connect()
  await admin.createTopics({ topics: topics.map((topic) => ({ topic, numPartitions: 1 })) })
  await admin.disconnect()
}

/**
 * All tests of one file. What did not pass is tried again in a new process: a consumer of this
 * binding that is closed while it consumes may wait for itself for ever, and then takes the tests
 * behind it along.
 */
async function runSpec(bench: Bench): Promise<TestResult[]> {
  const { tests: all } = await runMocha(bench, ['--dry-run'])
  const ended = new Map<string, ReportedTest>()
  for (let attempt = 1; attempt <= maxAttempts; attempt++) {
    const left = all.filter(({ fullTitle }) => !hasPassed(ended.get(fullTitle)))
    if (left.length === 0) break
    const titles = left.map(({ fullTitle }) => escapeRegExp(fullTitle))
    const { tests } = await runMocha(bench, ['--grep', `^(?:${titles.join('|')})$`])
    for (const test of tests) {
      if (attempt > 1 && hasPassed(test)) {
        bench.context.remarks.push(`at attempt ${attempt}: ${test.fullTitle}`)
      }
      ended.set(test.fullTitle, test)
    }
  }
  return all.map(({ fullTitle: name }) => {
    const test = ended.get(name)
    if (test === undefined) return { name, outcome: 'failed', detail: 'it was not reached' }
    if (hasPassed(test)) return { name, outcome: 'passed' }
    return { name, outcome: 'failed', detail: test.err.message ?? '' }
  })
}

function hasPassed(test: ReportedTest | undefined): boolean {
  return test !== undefined && test.err.message === undefined
}

async function runMocha(bench: Bench, options: readonly string[]): Promise<Report> {
  const { context, folder, address, spec } = bench
  const args = ['--exit', '--timeout', '20000', '--ui', 'bdd', '--reporter', 'json']
  const mocha = context.start(
    join(folder, 'node_modules', '.bin', 'mocha'),
    [...args, ...options, ...context.extra, join('e2e', spec)],
    {
      cwd: join(folder, 'node_modules', 'node-rdkafka'),
      env: {
        KAFKA_HOST: address,
        NODE_OPTIONS: `--import=${new URL('empty-buffers.js', import.meta.url).href}`,
      },
      graceMs: 1_000,
      limitMs,
      log: `${spec}.log`,
    },
  )
  // A consumer that waits for itself keeps the process from ending too; one that aborts it, or is
  // ended at the limit, leaves no report, and its tests were not reached.
  await Promise.allSettled([mocha.said(wholeReport)])
  if (!mocha.isOver) mocha.stop()
  const { stdout, code, signal } = await mocha.ended
  const [report] = wholeReport.exec(stdout) ?? []
  if (report !== undefined) return JSON.parse(report) as Report
  context.remarks.push(`${spec} ended with ${code ?? signal} and without a report`)
  return { tests: [] }
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
}
