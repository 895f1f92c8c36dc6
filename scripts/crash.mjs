/**
 * Runs the crash tests of crash/sim for as long as one likes:
 *
 *     npm run crash -- --minutes 10
 *
 * They are TypeScript and Node 20 runs JavaScript, so they and the sources they import are compiled
 * to .cache/crash first (incrementally), where links let the addon be found.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const output = join(root, '.cache', 'crash')

mkdirSync(output, { recursive: true })
writeFileSync(join(output, 'package.json'), '{ "type": "module" }\n')
for (const folder of ['build', 'prebuilds']) {
  rmSync(join(output, folder), { force: true })
  if (existsSync(join(root, folder))) symlinkSync(join(root, folder), join(output, folder))
}
run([join(root, 'scripts', 'build-addon.mjs'), '--if-stale'])
run([join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.crash.json'])
run([join(output, 'crash', 'sim', 'main.js'), ...process.argv.slice(2)])

function run(args) {
  const env = { ...process.env, STRATALOG_CHECKS: '1' }
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env })
  if (status !== 0) process.exit(status ?? 1)
}
