/**
 * Runs the demo:
 *
 *     node scripts/demo.mjs [file …]
 *
 * Files are named relative to where the command was given.
 */
import { join } from 'node:path'
import { compile, run } from './compiled.mjs'

const output = compile('demo', join('demo', 'tsconfig.json'))
run([join(output, 'demo', 'main.js'), ...process.argv.slice(2)], { cwd: process.cwd() })
