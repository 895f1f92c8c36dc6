// Goal: the bench keeps running. Method: its whole workload, tiny. Figures are not judged here.
import { describe, expect, it } from 'vitest'
import { run } from '../../bench/record/batch.bench.ts'

describe('the batch bench', () => {
  it('runs with tiny inputs', () => {
    const rows = run({ tiny: true })
    expect(rows.length).toBeGreaterThan(15)
    for (const row of rows) expect(row.nsPerRecord).toBeGreaterThan(0)
  })
})
