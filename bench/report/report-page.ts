/** Results as one HTML page that needs nothing else: no script, no network. */
import { heading, type ResultRow, type Results, type ResultTarget } from '../support/results.ts'
import { figure } from '../support/table.ts'
import {
  barPlot,
  commonCircumstances,
  escaped,
  labelsOf,
  latencyPlot,
  percentileOf,
} from './plots.ts'

export type NamedResults = { readonly name: string; readonly results: Results }

/** `notShown` names the files whose shape is another one. */
export function reportPage(all: readonly NamedResults[], notShown: readonly string[]): string {
  const parts = all.map(({ name, results }) => section(name, results))
  const rest =
    notShown.length === 0
      ? ''
      : `<p class="note">Not shown, as their shape is another one: ${escaped(notShown.join(', '))}.</p>`
  return (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">' +
    '<meta name="viewport" content="width=device-width, initial-scale=1">' +
    '<meta name="color-scheme" content="light dark">' +
    `<title>stratalog: benchmarks</title><style>${style}</style></head>\n` +
    `<body><h1>stratalog: benchmarks</h1>\n${parts.join('\n')}\n${rest}</body></html>\n`
  )
}

function section(name: string, results: Results): string {
  const { machine, date, command, rows, targets, skipped = [], loadBefore } = results
  const load =
    loadBefore === undefined ? '' : ` · load average before the run ${loadBefore.toFixed(1)}`
  const workloads = [...new Set(rows.map(({ workload }) => workload))]
  return (
    `<section><h2>${escaped(name)}</h2><p class="note"><code>${escaped(command)}</code> · ` +
    `${escaped(date)} · ${escaped(machine)}${load}</p>\n` +
    targetTable(targets) +
    workloads
      .map((workload) =>
        workloadPart(
          workload,
          rows.filter((row) => row.workload === workload),
        ),
      )
      .join('\n') +
    skipped.map((skip) => `<p class="note">skipped: ${escaped(skip)}</p>`).join('') +
    '</section>'
  )
}

function targetTable(targets: readonly ResultTarget[]): string {
  if (targets.length === 0) return ''
  const lines = targets.map(({ what, ratio, unit = '×', bound, met, isUpperBound, from = '' }) => {
    const verdict = met === null ? 'not measured' : met ? 'met' : 'missed'
    const sign = isUpperBound === undefined ? '' : isUpperBound ? '≤ ' : '≥ '
    const found = ratio === null ? '–' : ratio >= 10 ? figure(ratio) : ratio.toFixed(2)
    return (
      `<tr><td class="${verdict.replace(' ', '-')}">${verdict}</td><td>${escaped(what)}</td>` +
      `<td class="number">${sign}${bound} ${escaped(unit)}</td><td class="number">${found}</td>` +
      `<td>${escaped(from)}</td></tr>`
    )
  })
  return (
    '<table><thead><tr><th></th><th>target</th><th class="number">wanted</th>' +
    `<th class="number">found</th><th>out of</th></tr></thead><tbody>${lines.join('')}</tbody></table>\n`
  )
}

function workloadPart(workload: string, rows: readonly ResultRow[]): string {
  const names = [...new Set(rows.flatMap(({ metrics }) => Object.keys(metrics)))]
  const common = commonCircumstances(rows)
  // The first, and what the work costs: the others are in the table.
  const plotted = names.filter((name, index) => {
    return percentileOf(name) === undefined && (index === 0 || /cpu/i.test(name))
  })
  return (
    `<h3>${escaped(workload)}</h3>` +
    (common.length === 0 ? '' : `<p class="note">${escaped(common.join(' · '))}</p>`) +
    plotted.map((name) => barPlot(rows, name)).join('') +
    latencyPlot(rows) +
    metricTable(rows, names)
  )
}

function metricTable(rows: readonly ResultRow[], names: readonly string[]): string {
  const heads = names.map((name) => `<th class="number">${escaped(heading(name, rows))}</th>`)
  const labels = labelsOf(rows)
  const lines = rows.map((row, index) => {
    const cells = names.map((name) => {
      const found = row.metrics[name]
      if (found === undefined) return '<td></td>'
      const rounds = found.values.map(figure).join(', ')
      return `<td class="number" title="rounds: ${escaped(rounds)}">${figure(found.median)}</td>`
    })
    return `<tr><td>${escaped(labels[index]!)}</td>${cells.join('')}</tr>`
  })
  return (
    `<details><summary>all figures</summary><table><thead><tr><th></th>${heads.join('')}</tr></thead>` +
    `<tbody>${lines.join('')}</tbody></table></details>`
  )
}

const style = `
:root{--page:#fff;--text:#1d2430;--faint:#667085;--line:#dfe3ea;--ours:#0b6bcb;--theirs:#a5afbf;
--good:#11763f;--bad:#b42318}
@media(prefers-color-scheme:dark){:root{--page:#12161d;--text:#e4e8ef;--faint:#98a2b3;--line:#2b323d;
--ours:#4da3ff;--theirs:#5b6678;--good:#4cc38a;--bad:#ff7a6b}}
body{background:var(--page);color:var(--text);font:15px/1.5 system-ui,sans-serif;max-width:60rem;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{margin-top:2.5rem;border-bottom:1px solid var(--line)}h3{margin:2rem 0 .3rem;font-size:1.05rem}
.note,figcaption{color:var(--faint);font-size:.85rem}figure{margin:.3rem 0 .6rem}svg{width:100%;height:auto}
table{border-collapse:collapse;font-size:.85rem;width:100%;margin:.5rem 0}section{overflow-x:auto}
th,td{text-align:left;padding:.2rem .6rem .2rem 0;border-bottom:1px solid var(--line);vertical-align:top}
.number{text-align:right;font-variant-numeric:tabular-nums}summary{cursor:pointer;color:var(--faint);font-size:.85rem}
.met{color:var(--good)}.missed{color:var(--bad);font-weight:600}.not-measured{color:var(--faint)}
svg text{font:12px system-ui,sans-serif;fill:var(--text);dominant-baseline:central}
svg .label,svg .value{text-anchor:end}svg .value{font-variant-numeric:tabular-nums}
svg .tick{text-anchor:middle;fill:var(--faint);font-size:10px}
.ours{fill:var(--ours)}.theirs{fill:var(--theirs)}.round{fill:var(--text);opacity:.45}
.grid{stroke:var(--line)}.span{stroke:var(--faint);stroke-width:1.5}
`
