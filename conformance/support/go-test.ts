/**
 * The tests of a Go module as a suite: `go test -json` on a package at a fixed version, and what
 * its events say. A result is a test without subtests, or a subtest: a parent that failed only
 * because one of those did is not counted beside it.
 */
import { chmodSync, cpSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { TestResult } from './suite.ts'
import type { SuiteContext } from './suite-context.ts'

export type GoModule = {
  /** The package whose tests run. */
  readonly package: string
  /** Version of the module that has it. */
  readonly version: string
}

export type GoTestOptions = {
  /** Where `go` runs: a module that is, or asks for, the one with the package. */
  readonly cwd: string
  readonly package: string
  readonly env: Readonly<Record<string, string>>
  /** Further flags of `go test`. */
  readonly flags?: readonly string[]
  /** Of the run; `go test` ends the tests somewhat earlier by itself. */
  readonly limitMs: number
}

/** One line of `go test -json`. */
type GoEvent = { readonly Action?: string; readonly Test?: string; readonly Output?: string }

type GoTest = { outcome: 'running' | TestResult['outcome']; output: string }

const outcomes = new Map<string, TestResult['outcome']>([
  ['pass', 'passed'],
  ['fail', 'failed'],
  ['skip', 'skipped'],
])

/** What is said of a test that did not pass is cut off here. */
const maxDetail = 400
const installLimitMs = 300_000

/** A folder with a module of its own that asks for the package, filled once. */
export function installGoModule(context: SuiteContext, module: GoModule): Promise<string> {
  const { package: name, version } = module
  return context.installed('module', `${name}@${version}`, async (cwd) => {
    const options = { cwd, log: 'install.log', limitMs: installLimitMs }
    await context.mustRun('go', ['mod', 'init', 'conformance'], options)
    await context.mustRun('go', ['get', '-t', `${name}@${version}`], options)
    // Compiled here, so that the tests' own time is all that is left to the run.
    await context.mustRun('go', ['test', '-vet=off', '-run', '^$', name], options)
  })
}

/** A copy of the sources of a module, to be changed; `go` asks for `-mod=mod` in it. */
export function copyGoModule(context: SuiteContext, module: GoModule): Promise<string> {
  const { package: name, version } = module
  return context.installed('source', `${name}@${version}`, async (folder) => {
    const options = { cwd: folder, log: 'install.log', limitMs: installLimitMs }
    const download = ['mod', 'download', '-json', `${name}@${version}`]
    const { stdout } = await context.mustRun('go', download, options)
    const { Dir: cached } = JSON.parse(stdout) as { Dir: string }
    cpSync(cached, folder, { recursive: true })
    // The cache of modules is read-only, and so is what is copied from it.
    chmodSync(folder, 0o755)
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      chmodSync(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644)
    }
    await context.mustRun('go', ['test', '-mod=mod', '-vet=off', '-run', '^$', '.'], options)
  })
}

export async function goTest(
  context: SuiteContext,
  { cwd, package: name, env, flags = [], limitMs }: GoTestOptions,
): Promise<TestResult[]> {
  const testSeconds = Math.floor((limitMs * 0.9) / 1000)
  const args = ['test', '-json', '-vet=off', '-count=1', `-timeout=${testSeconds}s`]
  const run = await context.run('go', [...args, ...flags, ...context.extra, name], {
    cwd,
    env,
    limitMs,
    log: 'go-test.log',
  })
  const results = parseGoTest(run.stdout)
  // Its exit code says no more than the events, unless it did not come as far as to run tests.
  if (results.length === 0) {
    throw new Error(`go test ran no test, see ${join(context.logs, 'go-test.log')}`)
  }
  return results
}

/** The results in the output of `go test -json`; a test that began and did not end has failed. */
export function parseGoTest(stdout: string): TestResult[] {
  const tests = new Map<string, GoTest>()
  for (const line of stdout.split('\n')) {
    const { Test: name, Action: action, Output: output } = parseEvent(line)
    if (name === undefined || action === undefined) continue
    let test = tests.get(name)
    if (test === undefined) {
      test = { outcome: 'running', output: '' }
      tests.set(name, test)
    }
    if (output !== undefined) test.output += output
    test.outcome = outcomes.get(action) ?? test.outcome
  }
  const results: TestResult[] = []
  for (const [name, { outcome, output }] of tests) {
    const children = [...tests].filter(([other]) => other.startsWith(`${name}/`))
    // A child that runs no more took its parent down with it, or was taken down.
    const isTold = children.some(([, child]) => child.outcome !== 'passed')
    if (children.length > 0 && (outcome !== 'failed' || isTold)) continue
    if (outcome === 'running') results.push({ name, outcome: 'failed', detail: 'did not end' })
    else if (outcome === 'passed') results.push({ name, outcome })
    else results.push({ name, outcome, detail: detailOf(output) })
  }
  return results
}

function parseEvent(line: string): GoEvent {
  if (!line.startsWith('{')) return {} // What go itself says, in plain text.
  return JSON.parse(line) as GoEvent
}

function detailOf(output: string): string {
  const lines = output.split('\n').map((line) => line.trim())
  const said = lines.filter((line) => line !== '' && !/^(===|---) /.test(line))
  return said.join(' ').slice(0, maxDetail)
}
