/** Benches made of parts: what each part gives, and what stands around them all. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { machineLine, repositoryRoot } from './machine.ts'
import { printTargets, type Target } from './target.ts'

/** What a part gives, after it printed its tables. */
export type PartResult = {
  readonly targets: readonly Target[]
  /** For the file of results. */
  readonly figures: unknown
  /** One line for each thing that could not be measured, with the reason. */
  readonly skipped: readonly string[]
}

/** Runs the parts one after the other, prints their targets, and keeps all in bench/results/<name>.json. */
export async function runParts(
  name: string,
  parts: readonly (() => Promise<PartResult>)[],
  options: unknown,
): Promise<void> {
  // Others at work on the machine make p99 and the rates of many appenders worth little.
  const loadBefore = loadavg()[0]!
  console.log(`load average before the run: ${loadBefore.toFixed(1)}`)
  const results: PartResult[] = []
  for (const part of parts) results.push(await part())
  console.log('')
  printTargets(results.flatMap(({ targets }) => targets))
  for (const skip of results.flatMap(({ skipped }) => skipped)) console.log(`skipped: ${skip}`)
  const folder = join(repositoryRoot(), 'bench', 'results')
  mkdirSync(folder, { recursive: true })
  const date = new Date().toISOString()
  const report = { machine: machineLine(), date, loadBefore, options, parts: results }
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(report, undefined, 2)}\n`)
  console.log(`\nwritten to bench/results/${name}.json`)
}
