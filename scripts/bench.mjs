/**
 * Runs a bench:
 *
 *     node scripts/bench.mjs [name [argument …]]
 *
 * Without a name bench/canonical.bench.ts, which compares with other engines; with one, such as
 * `record/batch`, that file. Arguments are for the bench; `durable` takes some.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { compile, root, run } from './compiled.mjs'

const [name = 'canonical', ...benchArguments] = process.argv.slice(2)
const comparesWithPeers =
  ['canonical', 'engines', 'durable', 'kernel', 'kernel/table', 'micro'].includes(name) ||
  name.startsWith('micro/')
const comparesWithChronicle = ['canonical', 'engines'].includes(name)

if (!existsSync(join(root, 'bench', `${name}.bench.ts`))) {
  const names = readdirSync(join(root, 'bench'), { recursive: true })
    .filter((path) => path.endsWith('.bench.ts') && !path.includes('node_modules'))
    .map((path) => path.slice(0, -'.bench.ts'.length))
  console.error(`no bench ${name}: expected one of ${names.sort().join(', ')}`)
  process.exit(2)
}

const output = compile('bench', 'tsconfig.bench.json')
const compare = join(root, 'bench', 'compare')
if (comparesWithPeers) run([join(compare, 'install.mjs')])
if (comparesWithChronicle) run([join(compare, 'chronicle', 'install.mjs')])
run([
  join(output, 'bench', 'support', 'run-bench.js'),
  join(output, 'bench', `${name}.bench.js`),
  ...benchArguments,
])
