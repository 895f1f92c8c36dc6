/** Renders bench/results/*.json as one page: `node scripts/bench-report.mjs`. */
import { join } from 'node:path'
import { compile, run } from './compiled.mjs'

run([join(compile('bench', 'tsconfig.bench.json'), 'bench', 'report', 'main.js')])
