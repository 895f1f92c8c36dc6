/**
 * Runs one of the crash tests:
 *
 *     node scripts/crash.mjs <test> [options]
 *
 * A test is a file of crash/ (docs/crash-tests.md) or a folder with a main.ts: `sim` crashes the
 * simulated disk for as long as one likes, `npm run crash -- --minutes 10`.
 *
 * A SIGINT from the terminal reaches the test itself, which cleans up; this process waits for it and
 * reports its exit code.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { compile, root } from './compiled.mjs'

const entries = new Map()
for (const name of readdirSync(join(root, 'crash'))) {
  if (name.endsWith('.ts')) entries.set(name.slice(0, -'.ts'.length), name.replace(/ts$/, 'js'))
  else if (existsSync(join(root, 'crash', name, 'main.ts'))) entries.set(name, `${name}/main.js`)
}
const [name, ...args] = process.argv.slice(2)
if (!entries.has(name)) {
  console.error(`no crash test ${name ?? ''}: expected one of ${[...entries.keys()].join(', ')}`)
  process.exit(2)
}
const output = compile('crash', 'tsconfig.crash.json')
const child = spawn(process.execPath, [join(output, 'crash', entries.get(name)), ...args], {
  cwd: root,
  stdio: 'inherit',
  // Every assertion of the engine is on, also in the processes that the test starts.
  env: { ...process.env, STRATALOG_CHECKS: '1' },
})
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.on('exit', (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 1
})
