/**
 * The page of results. Goal: every figure of a file is on the page, nothing of it is read as markup,
 * and the page needs no network. Method: a small file of results, rendered and looked at as text.
 */
import { describe, expect, it } from 'vitest'
import { barPlot, commonCircumstances, labelsOf, latencyPlot } from '../bench/report/plots.ts'
import { reportPage } from '../bench/report/report-page.ts'
import { metric, type ResultRow, type Results } from '../bench/support/results.ts'

const rate = (...values: number[]) => metric(values, 'MB/s')
const time = (value: number) => metric([value], 'µs')

const rows: readonly ResultRow[] = [
  {
    workload: 'W2: produce 1 KiB',
    peer: 'stratalog',
    class: 'os',
    pinned: true,
    metrics: { 'MB/s': rate(100, 300, 200), 'server CPU': metric([1.5], 's/GB') },
  },
  {
    workload: 'W2: produce 1 KiB',
    peer: 'Kafka <4.x> & "others"',
    class: 'os',
    pinned: true,
    metrics: { 'MB/s': rate(50, 100, 150), 'server CPU': metric([4.5], 's/GB') },
  },
  {
    workload: 'W6: latency',
    peer: 'stratalog',
    class: '-',
    pinned: false,
    metrics: { 'answer p50': time(10), 'answer p99': time(100), 'answer p99.9': time(1000) },
  },
  // Names as identifiers, units that say what is measured.
  {
    workload: 'W7: synced',
    peer: 'stratalog',
    class: 'disk',
    pinned: false,
    client: 'rdkafka_performance',
    metrics: {
      recordsPerSecond: metric([5], 'records/s'),
      cpuUsPerRecord: metric([7], 'CPU µs/record'),
      p50Ms: metric([1], 'ms p50'),
      p99Ms: metric([10], 'ms p99'),
      p999Ms: metric([20], 'ms p99.9'),
      stallP999Ms: metric([300], 'ms stall p99.9'),
    },
  },
]

const compare: Results = {
  machine: 'a machine, 2 cores',
  date: '2026-01-02T03:04:05.000Z',
  command: 'npm run bench:compare',
  rows,
  targets: [
    { what: 'produce W2, CPU', ratio: 0.333, bound: 0.34, met: true, isUpperBound: true },
    { what: 'fetch W4, throughput', ratio: 0.5, bound: 0.9, met: false },
    { what: 'W9', ratio: null, bound: 1, met: null },
  ],
  skipped: ['NATS [not installed]'],
}

describe('the page of results', () => {
  const page = reportPage([{ name: 'compare', results: compare }], ['kernel.json'])

  it('shows machine, command, date, targets and what was left out', () => {
    expect(page).toContain('a machine, 2 cores')
    expect(page).toContain('npm run bench:compare')
    expect(page).toContain('2026-01-02T03:04:05.000Z')
    expect(page).toMatch(/class="met">met<\/td><td>produce W2, CPU<.*?≤ 0.34 ×<.*?0.33</)
    expect(page).toMatch(/class="missed">missed<\/td><td>fetch W4, throughput</)
    expect(page).toMatch(/class="not-measured">not measured<\/td><td>W9</)
    expect(page).toContain('skipped: NATS [not installed]')
    expect(page).toContain('kernel.json')
  })

  it('shows every workload, with a plot of its first metric, of its cost and of its percentiles', () => {
    expect(page.match(/<h3>/g)).toHaveLength(3)
    expect(page.match(/<svg /g)).toHaveLength(6)
    expect(page).toContain('CPU µs/record: less is better')
    expect(page).toContain('p99.9 (small) in ms, logarithmic')
    expect(page).toContain('<p class="note">disk · rdkafka_performance</p>')
    expect(page).toContain('<th class="number">ms stall p99.9</th>')
    expect(page).toContain('server CPU, s/GB: less is better')
    expect(page).toContain('MB/s: more is better')
    expect(page).toContain('title="rounds: 100, 300, 200"')
  })

  it('is whole in itself and takes no text for markup', () => {
    expect(page).not.toMatch(/<script|https?:|src=|@import|url\(/)
    expect(page).toContain('Kafka &lt;4.x&gt; &amp; &quot;others&quot;')
    expect(page).not.toContain('<4.x>')
    for (const tag of ['section', 'table', 'svg', 'figure', 'details', 'body']) {
      const opened = page.match(new RegExp(`<${tag}[ >]`, 'g'))
      expect(page.match(new RegExp(`</${tag}>`, 'g')), tag).toHaveLength(opened!.length)
    }
    expect(page).toContain('prefers-color-scheme:dark')
  })
})

describe('a plot', () => {
  const widthOf = (plot: string) =>
    [...plot.matchAll(/<rect [^>]* width="([\d.]+)"/g)].map(([, width]) => Number(width))

  it('draws bars in proportion to the medians, and a dot for each round', () => {
    const plot = barPlot(rows.slice(0, 2), 'MB/s')
    const [ours, theirs] = widthOf(plot)
    expect(ours! / theirs!).toBeCloseTo(2, 1)
    expect(plot.match(/<circle/g)).toHaveLength(6)
  })

  it('places percentiles on a logarithmic axis', () => {
    const centres = [...latencyPlot(rows.slice(0, 3)).matchAll(/<circle cx="([\d.]+)"/g)].map(
      ([, x]) => Number(x),
    )
    expect(centres).toHaveLength(3)
    expect(centres[1]! - centres[0]!).toBeCloseTo(centres[2]! - centres[1]!, 0)
  })

  it('labels rows with what tells them from the others, and tells the rest once', () => {
    const [one, other] = [rows[0]!, { ...rows[1]!, class: 'disk' }]
    expect(commonCircumstances([one, other])).toEqual(['pinned'])
    expect(labelsOf([one, other])).toEqual(['stratalog · os', 'Kafka <4.x> & "others" · disk'])
    expect(labelsOf([one])).toEqual(['stratalog'])
  })

  it('is left out where there is nothing to draw', () => {
    expect(barPlot(rows, 'no such metric')).toBe('')
    expect(latencyPlot(rows.slice(0, 2))).toBe('')
  })
})
