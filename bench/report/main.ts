/**
 * `npm run bench:report`: renders every file of results in bench/results into report.html beside
 * them.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '../support/machine.ts'
import type { Results } from '../support/results.ts'
import { type NamedResults, reportPage } from './report-page.ts'

const folder = join(repositoryRoot(), 'bench', 'results')
const files = readdirSync(folder).filter((file) => file.endsWith('.json'))
const shown: NamedResults[] = []
const notShown: string[] = []
// The canonical run first, then by name.
for (const file of files.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))) {
  const found = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Partial<Results>
  if (Array.isArray(found.rows) && Array.isArray(found.targets)) {
    shown.push({ name: file.slice(0, -'.json'.length), results: found as Results })
  } else notShown.push(file)
}
if (shown.length === 0) {
  console.error('no results to render: run `npm run bench` first')
  process.exit(1)
}
const path = join(folder, 'report.html')
writeFileSync(path, reportPage(shown, notShown))
console.log(`${shown.map(({ name }) => name).join(', ')}: written to bench/results/report.html`)

function rank(file: string): number {
  return file === 'latest.json' ? 0 : 1
}
