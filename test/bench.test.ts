/**
 * Every bench runs with tiny inputs, so that none rots; the figures themselves are not looked at.
 * The engines of bench/compare are not needed here.
 */
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parseDurableOptions } from '../bench/durable/options.ts'
import { latencyOf, median, percentile } from '../bench/support/statistics.ts'
import { figure } from '../bench/support/table.ts'
import { atLeast, atMost, verdict } from '../bench/support/target.ts'

const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), 'bench')
const benches = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.bench.ts') && !path.includes('node_modules'))
  .sort()

describe('every bench', () => {
  it.each(benches)('runs with tiny inputs: %s', async (path) => {
    const bench = await import(/* @vite-ignore */ pathToFileURL(join(folder, path)).href)
    const rows = await bench.run({ tiny: true })
    expect(rows.length).toBeGreaterThan(0)
  })
})

describe('bench statistics', () => {
  it('takes the middle of the values, or the mean of the two middle ones', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 3, 2])).toBe(2.5)
  })

  it('takes percentiles by nearest rank', () => {
    const samples = Float64Array.from({ length: 1000 }, (_, i) => 1000 - i)
    expect(percentile(samples, 0.5)).toBe(500)
    expect(latencyOf(samples)).toEqual({ p50Us: 500_000, p99Us: 990_000, p999Us: 999_000 })
    expect(percentile(Float64Array.of(7), 0.999)).toBe(7)
  })

  it('prints three significant digits', () => {
    expect([0, 0.012345, 9.876, 99.96, 1234, 12_345, 1_234_567].map(figure)).toEqual([
      '0',
      '0.0123',
      '9.88',
      '100',
      '1234',
      '12.3 k',
      '1.23 M',
    ])
  })
})

describe('bench:durable', () => {
  it('takes its arguments, and refuses what it does not know', () => {
    const { recoveryGb, parts } = parseDurableOptions([
      '--recovery-gb',
      '0.5',
      '--only',
      'recovery',
    ])
    expect([recoveryGb, parts]).toEqual([0.5, ['recovery']])
    expect(parseDurableOptions([]).parts).toEqual(['appenders', 'os-level', 'recovery'])
    expect(() => parseDurableOptions(['--recovery', '5'])).toThrow('unknown argument --recovery')
    expect(() => parseDurableOptions(['--rounds'])).toThrow('--rounds has no value')
    expect(() => parseDurableOptions(['--rounds', 'many'])).toThrow('expected a number above 0')
    expect(() => parseDurableOptions(['--only', 'all'])).toThrow('--only all')
  })

  it('judges a bound inclusively, and not without a figure', () => {
    const from = 'a test'
    expect(
      [1.5, 1.51, Number.NaN].map((found) => verdict(atMost('', found, 1.5, { from }))),
    ).toEqual(['✓', '✗', '–'])
    expect([3, 2.99, Number.NaN].map((found) => verdict(atLeast('', found, 3, { from })))).toEqual([
      '✓',
      '✗',
      '–',
    ])
  })
})
