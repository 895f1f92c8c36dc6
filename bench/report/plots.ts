/**
 * Inline SVG plots of results. Colours come from the page's CSS variables, so that light and dark are
 * the page's affair; sizes are in user units, the width of the page is the browser's.
 */
import { heading, isCost, type Metric, type ResultRow } from '../support/results.ts'
import { figure } from '../support/table.ts'

const width = 880
const labelWidth = 260
const valueWidth = 160
const rowHeight = 26
const barHeight = 14
const plotWidth = width - labelWidth - valueWidth

/** Text inside HTML or SVG. */
export function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

/** Class, cores and generator of a row, as far as it says. */
function circumstancesOf({ class: kept, pinned, client }: ResultRow): string[] {
  return [kept === '-' ? '' : kept, pinned ? 'pinned' : '', client ?? ''].filter(Boolean)
}

/** The circumstances that are those of every row: they are told once. */
export function commonCircumstances(rows: readonly ResultRow[]): string[] {
  const [first = [], ...others] = rows.map(circumstancesOf)
  return first.filter((told) => others.every((other) => other.includes(told)))
}

/** Who each row is of, with what tells it from the others. */
export function labelsOf(rows: readonly ResultRow[]): string[] {
  const common = commonCircumstances(rows)
  return rows.map((row) => {
    const own = circumstancesOf(row).filter((told) => !common.includes(told))
    return [row.peer, ...own].join(' · ')
  })
}

/** Bars of one metric from 0 on, with a dot for each round. Rows without it are left out. */
export function barPlot(rows: readonly ResultRow[], name: string): string {
  const measured = rows.filter(({ metrics }) => metrics[name] !== undefined)
  const found = measured.map(({ metrics }) => metrics[name] as Metric)
  if (found.length === 0) return ''
  const largest = Math.max(...found.flatMap(({ median, values }) => [median, ...values]), 0)
  if (!(largest > 0)) return ''
  const x = (value: number) => labelWidth + (Math.max(0, value) / largest) * plotWidth
  const labels = labelsOf(rows)
  const lines = measured.map((row, index) => {
    const { median, values, unit } = found[index]!
    const y = index * rowHeight
    const middle = y + rowHeight / 2
    const dots = values.map(
      (value) => `<circle cx="${round(x(value))}" cy="${middle}" r="2.5" class="round"/>`,
    )
    return (
      `<text x="${labelWidth - 10}" y="${middle}" class="label">${escaped(labels[rows.indexOf(row)]!)}</text>` +
      `<rect x="${labelWidth}" y="${middle - barHeight / 2}" height="${barHeight}" ` +
      `width="${round(x(median) - labelWidth)}" rx="2" class="${barClass(row)}"/>` +
      dots.join('') +
      `<text x="${width - 4}" y="${middle}" class="value">${escaped(`${figure(median)} ${unit}`)}</text>`
    )
  })
  const better = isCost(found[0]!) ? 'less is better' : 'more is better'
  return figureOf(`${heading(name, measured)}: ${better}`, lines, measured.length * rowHeight)
}

type Percentiles = { readonly p50: Metric; readonly p99: Metric; readonly p999: Metric }

/** From the median over p99 to p99.9 on a logarithmic axis, of each row that has the three. */
export function latencyPlot(rows: readonly ResultRow[]): string {
  const measured = rows.flatMap((row) => {
    const percentiles = percentilesOf(row)
    return percentiles === undefined ? [] : [{ row, percentiles }]
  })
  if (measured.length === 0) return ''
  const all = measured.flatMap(({ percentiles: { p50, p999 } }) => [p50.median, p999.median])
  const low = Math.floor(Math.log10(Math.min(...all)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...all))))
  const x = (value: number) =>
    round(labelWidth + ((Math.log10(value) - low) / (high - low)) * plotWidth)
  const height = measured.length * rowHeight
  const unit = measured[0]!.percentiles.p50.unit.replace(/ p50$/, '')
  const grid = Array.from({ length: high - low + 1 }, (_, step) => {
    const at = x(10 ** (low + step))
    return (
      `<line x1="${at}" x2="${at}" y1="0" y2="${height}" class="grid"/>` +
      `<text x="${at}" y="${height + 12}" class="tick">${figure(10 ** (low + step))}</text>`
    )
  })
  const labels = labelsOf(rows)
  const lines = measured.map(({ row, percentiles }, index) => {
    const { p50, p99, p999 } = percentiles
    const middle = index * rowHeight + rowHeight / 2
    const texts = [p50, p99, p999].map(({ median }) => figure(median)).join(' / ')
    return (
      `<text x="${labelWidth - 10}" y="${middle}" class="label">${escaped(labels[rows.indexOf(row)]!)}</text>` +
      `<line x1="${x(p50.median)}" x2="${x(p999.median)}" y1="${middle}" y2="${middle}" class="span"/>` +
      `<circle cx="${x(p50.median)}" cy="${middle}" r="6" class="${barClass(row)}"/>` +
      `<circle cx="${x(p99.median)}" cy="${middle}" r="4" class="${barClass(row)}"/>` +
      `<circle cx="${x(p999.median)}" cy="${middle}" r="2.5" class="${barClass(row)}"/>` +
      `<text x="${width - 4}" y="${middle}" class="value">${escaped(texts)}</text>`
    )
  })
  const title = `p50 (large), p99, p99.9 (small) in ${unit}, logarithmic, less is better`
  return figureOf(title, [...grid, ...lines], height + 18)
}

/** `p50`, `p99` or `p99.9` of a name such as `answer p50` or `p50Ms`; undefined of any other. */
export function percentileOf(name: string): string | undefined {
  const found = /(?:^| )(p50|p99|p99\.9)$/.exec(name) ?? /^(p50|p99|p999)[MUN]s$/.exec(name)
  return found?.[1]?.replace('p999', 'p99.9')
}

function percentilesOf({ metrics }: ResultRow): Percentiles | undefined {
  const find = (percentile: string) =>
    Object.entries(metrics).find(([name]) => percentileOf(name) === percentile)?.[1]
  const [p50, p99, p999] = [find('p50'), find('p99'), find('p99.9')]
  const isWhole = [p50, p99, p999].every((of) => of !== undefined && of.median > 0)
  return isWhole ? { p50: p50!, p99: p99!, p999: p999! } : undefined
}

function barClass({ peer }: ResultRow): string {
  return peer.startsWith('stratalog') ? 'ours' : 'theirs'
}

function figureOf(title: string, lines: readonly string[], height: number): string {
  return (
    `<figure><figcaption>${escaped(title)}</figcaption>` +
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">` +
    `${lines.join('')}</svg></figure>`
  )
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
