/**
 * Runs other projects' tests and tools against the server (docs/conformance.md):
 *
 *     node scripts/conformance.mjs [--fast] [--server host:port] [suite] [-- extra]
 *
 * A SIGINT from the terminal reaches the run itself, which cleans up; this process waits for it and
 * reports its exit code.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { compile, root } from './compiled.mjs'

const output = compile('conformance-build', 'tsconfig.conformance.json')
const main = join(output, 'conformance', 'main.js')
const child = spawn(process.execPath, [main, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
})
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.on('exit', (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 1
})
