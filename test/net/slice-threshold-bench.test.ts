// Goal: the bench keeps running. Method: its whole workload, tiny. Figures are not judged here.
import { expect, it } from 'vitest'
import { run } from '../../bench/net/slice-threshold.bench.ts'

it('the slice threshold bench runs with tiny inputs', async () => {
  const rows = await run({ tiny: true })
  expect(rows.map(({ way }) => way)).toEqual(['sendfile', 'copy', 'sendfile', 'copy'])
})
