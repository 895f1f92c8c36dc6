/**
 * What a session printed, as text that can be kept and compared. Each step is
 *
 *     === <name>
 *     reason: <why it differs from Kafka's>     only in a file of differences
 *     exit <code>
 *     <line of its standard output>…
 *     ! <line of its standard error>…           only when the exit code is not 0
 *
 * What differs from run to run (addresses, ids, times, the width of columns) is replaced.
 */
import type { StepResult } from '../support/java-session.ts'
import type { Step } from './step.ts'

export type Section = { readonly body: string; readonly reason?: string }
export type Transcript = ReadonlyMap<string, Section>

/** What is one thing in all runs but has another text in each. */
export type Varying = { readonly address: string; readonly files: string }

const replacements: readonly (readonly [RegExp, string])[] = [
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UUID'],
  [/(TopicId:|[Cc]luster ID:|id) +[\w-]{22}(?![\w-])/g, '$1 ID'],
  [/Time:\d{13}/g, 'Time:MS'],
  [/\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}[.,:]\d{3}/g, 'TIME'],
  [/"timestamp":\d+/g, '"timestamp":MS'],
  [/("log_dirs":\[)"[^"]*"/g, '$1"DIRECTORY"'],
  [/(Epoch:) *\d+/g, '$1 N'],
  [/("avg_throughput":)[\d.]+/g, '$1N'],
  [/(\d+ records sent),.*/g, '$1, …'],
  [/: \d+ to \d+ \[usable: (\d+)\]/g, ': usable $1'],
  [/[ \t]+/g, ' '],
  // Producers and replicas of the quorum, each in a line of its own.
  [/^\d+ (\d+ -?\d+ \d+) \d{13} (\w+)/gm, 'PRODUCER $1 MS $2'],
  [/^(\d+) [\w-]{22} \d+ (\d+) \d{13} \d{13} (\w+)/gm, '$1 ID N $2 MS MS $3'],
  [/TIME, TIME, [\d.]+, [\d.]+, (\d+),.*/g, 'TIME, TIME, …, $1, …'],
]

/** What follows the kind of an error: the innermost exception, or the command that failed. */
const ownWords = /^(.*Exception:|.*? command ?:).*$/

const heading = '=== '
const reasonMark = 'reason: '

export function sectionBody(step: Step, result: StepResult, varying: Varying): string {
  const kept = (text: string) =>
    normalized(text, varying)
      .filter((line) => line !== '')
      .map((line) => (step.isInOwnWords === true ? line.replace(ownWords, '$1 …') : line))
  const isCompared = (line: string) => step.lines === undefined || step.lines.test(line)
  const raw = result.stdout.split('\n').filter(isCompared).join('\n')
  const output = kept(raw)
  if (step.isUnordered === true) output.sort()
  const errors = result.code === 0 ? [] : withoutUsage(kept(result.stderr))
  return [`exit ${result.code}`, ...output, ...errors.map((line) => `! ${line}`)].join('\n')
}

/** Gives each section that has no reason the one that `known` has for it. */
export function withReasons(transcript: Transcript, known: Transcript): Transcript {
  const sections = [...transcript].map(([name, section]) => {
    const reason = section.reason ?? known.get(name)?.reason
    return [name, reason === undefined ? section : { ...section, reason }] as const
  })
  return new Map(sections)
}

export function parseTranscript(text: string): Transcript {
  const sections = new Map<string, Section>()
  for (const part of text.split(new RegExp(`^${heading}`, 'm')).slice(1)) {
    const [name, ...lines] = part.trimEnd().split('\n')
    const isReason = lines[0]?.startsWith(reasonMark) === true
    const reason = isReason ? lines.shift()!.slice(reasonMark.length) : undefined
    if (sections.has(name!)) throw new Error(`two sections ${JSON.stringify(name)}`)
    sections.set(name!, { body: lines.join('\n'), ...(reason === undefined ? {} : { reason }) })
  }
  return sections
}

export function formatTranscript(transcript: Transcript): string {
  const sections = [...transcript].map(([name, { body, reason }]) => {
    const why = reason === undefined ? '' : `${reasonMark}${reason}\n`
    return `${heading}${name}\n${why}${body}\n`
  })
  return sections.join('\n')
}

/** The first lines that are in one text alone, for a message. */
export function firstDifference(expected: string, actual: string): string {
  const wanted = expected.split('\n')
  const given = actual.split('\n')
  const at = wanted.findIndex((line, index) => line !== given[index])
  const index = at === -1 ? wanted.length : at
  const show = (line: string | undefined) => (line === undefined ? 'nothing' : JSON.stringify(line))
  return `line ${index + 1} is ${show(given[index])}, expected ${show(wanted[index])}`
}

function normalized(text: string, { address, files }: Varying): string[] {
  const port = address.slice(address.lastIndexOf(':') + 1)
  let result = text.replaceAll(address, 'BROKER').replaceAll(files, 'FILES')
  result = result.replace(new RegExp(`\\b${port}\\b`, 'g'), 'PORT')
  for (const [pattern, replacement] of replacements) result = result.replace(pattern, replacement)
  const lines = result.split('\n').map((line) => line.trimEnd())
  return lines.filter((line) => !/^ at |^ \.\.\. \d+ more/.test(line))
}

/** Tools explain their options when they refuse some: that is long, and theirs alone. */
function withoutUsage(lines: readonly string[]): readonly string[] {
  const usage = lines.indexOf('Option Description')
  return usage === -1 ? lines : lines.slice(0, usage)
}
