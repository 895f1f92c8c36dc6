/**
 * Runs a bench:
 *
 *     node scripts/bench.mjs [name [argument …]]
 *
 * Without a name bench/canonical.bench.ts, which compares with other engines; with one, such as
 * `record/batch`, that file. Arguments are for the bench; `durable` takes some. Benches are TypeScript and Node 20 runs JavaScript, so they and the
 * sources they import are compiled to .cache/bench first (incrementally), where links to build/
 * and prebuilds/ let the addon be found.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const output = join(root, '.cache', 'bench')
const [name = 'canonical', ...benchArguments] = process.argv.slice(2)
const comparesWithPeers = ['canonical', 'durable'].includes(name)

if (!existsSync(join(root, 'bench', `${name}.bench.ts`))) {
  const names = readdirSync(join(root, 'bench'), { recursive: true })
    .filter((path) => path.endsWith('.bench.ts') && !path.includes('node_modules'))
    .map((path) => path.slice(0, -'.bench.ts'.length))
  console.error(`no bench ${name}: expected one of ${names.sort().join(', ')}`)
  process.exit(2)
}

mkdirSync(output, { recursive: true })
writeFileSync(join(output, 'package.json'), '{ "type": "module" }\n')
for (const folder of ['build', 'prebuilds']) {
  rmSync(join(output, folder), { force: true })
  if (existsSync(join(root, folder))) symlinkSync(join(root, folder), join(output, folder))
}
run([join(root, 'scripts', 'build-addon.mjs'), '--if-stale'])
run([join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.bench.json'])
if (comparesWithPeers) run([join(root, 'bench', 'compare', 'install.mjs')])
run([
  join(output, 'bench', 'support', 'run-bench.js'),
  join(output, 'bench', `${name}.bench.js`),
  ...benchArguments,
])

function run(args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
