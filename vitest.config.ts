import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { SummaryReporter } from './test/support/reporter.ts'

// Generous, because they only have to tell a hang from a slow machine: nothing measures time.
const testTimeoutMs = 300_000

/** What both projects share; `npm test` runs unit, `npm run interop` the other. */
const shared = {
  env: { STRATALOG_CHECKS: '1' },
  testTimeout: testTimeoutMs,
  hookTimeout: testTimeoutMs,
  // A process per file: the addon, locks and signals under test belong to a process.
  pool: 'forks',
} as const

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...shared,
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/interop/**'],
        },
      },
      { test: { ...shared, name: 'interop', include: ['test/interop/**/*.test.ts'] } },
    ],
    // vitest's own default leaves a core idle, which on two cores is half the machine.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    reporters: [new SummaryReporter()],
  },
})
