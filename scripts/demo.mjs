/**
 * Runs the demo:
 *
 *     node scripts/demo.mjs [file …]
 *
 * The demo is TypeScript and Node 20 runs JavaScript, so it and the sources it imports are compiled
 * to .cache/demo first (incrementally), where links to build/ and prebuilds/ let the addon be found.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const output = join(root, '.cache', 'demo')

mkdirSync(output, { recursive: true })
writeFileSync(join(output, 'package.json'), '{ "type": "module" }\n')
for (const folder of ['build', 'prebuilds']) {
  rmSync(join(output, folder), { force: true })
  if (existsSync(join(root, folder))) symlinkSync(join(root, folder), join(output, folder))
}
run([join(root, 'scripts', 'build-addon.mjs'), '--if-stale'], root)
run([join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', join(root, 'demo')], root)
run([join(output, 'demo', 'main.js'), ...process.argv.slice(2)])

function run(args, cwd) {
  const { status } = spawnSync(process.execPath, args, { cwd, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
