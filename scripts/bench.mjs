/**
 * Runs a bench:
 *
 *     node scripts/bench.mjs [name [argument …]]
 *
 * Without a name bench/canonical.bench.ts; with one, such as `micro/batch`, that file; with the name
 * of a folder, such as `micro`, all in it, one process each. Arguments are for the bench; `durable`
 * takes some. docs/benchmarks.md says what each measures.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { compile, root, run } from './compiled.mjs'

const [name = 'canonical', ...benchArguments] = process.argv.slice(2)
const benches = readdirSync(join(root, 'bench'), { recursive: true })
  .filter((path) => path.endsWith('.bench.ts') && !path.includes('node_modules'))
  .map((path) => path.slice(0, -'.bench.ts'.length))
  .sort()
const isFolder = !benches.includes(name)
const wanted = isFolder ? benches.filter((bench) => bench.startsWith(`${name}/`)) : [name]

if (wanted.length === 0) {
  console.error(`no bench ${name}: expected one of ${benches.join(', ')}`)
  process.exit(2)
}

const comparesWithPeers = ['canonical', 'engines', 'durable', 'kernel', 'kernel/table']
const comparesWithChronicle = ['canonical', 'engines']
const compare = join(root, 'bench', 'compare')

const output = compile('bench', 'tsconfig.bench.json')
if (wanted.some((bench) => comparesWithPeers.includes(bench) || bench.startsWith('micro/'))) {
  run([join(compare, 'install.mjs')])
}
if (wanted.some((bench) => comparesWithChronicle.includes(bench))) {
  run([join(compare, 'chronicle', 'install.mjs')])
}
for (const bench of wanted) {
  if (isFolder) console.log(`\n${bench}`)
  run([
    join(output, 'bench', 'support', 'run-bench.js'),
    join(output, 'bench', `${bench}.bench.js`),
    ...benchArguments,
  ])
}
