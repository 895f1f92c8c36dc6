/**
 * What is known not to pass, and why. `conformance/<suite>/expectations.json` is
 *
 *     { "<test>": { "outcome": "failed" | "skipped", "reason": "…" }, … }
 *
 * A name that ends in `*` stands for all tests that begin so; each of them must have that outcome.
 * The reason is a property of one node, something this server does not have, something the suite
 * itself leaves out, or the number of an issue: never a description of the failure.
 */
import type { Outcome, TestResult } from './suite.ts'

export type Expectation = {
  readonly outcome: Exclude<Outcome, 'passed'>
  readonly reason: string
}

export type Expectations = ReadonlyMap<string, Expectation>

/** The text of an expectations file is not what it must be. */
export class ExpectationsError extends Error {
  override readonly name = 'ExpectationsError'
}

/** What differs from what is expected, one line each. */
export type Comparison = {
  /** Tests that failed or were skipped without an entry, or otherwise than their entry says. */
  readonly surprises: readonly string[]
  /** Entries for tests that passed, or that are not there. */
  readonly stale: readonly string[]
  /** Tests that did not pass, as their entry says. */
  readonly known: readonly { readonly name: string; readonly reason: string }[]
}

const minReasonWords = 3
const emptyReasons =
  /^(?:it |is |this |the |test )*(?:fails?|failing|flaky|broken|unknown|to be|later|see)\b/i
const issueNumber = /^#\d+\b/

/** @throws ExpectationsError with the name of the first entry that is wrong. */
export function parseExpectations(text: string): Expectations {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new ExpectationsError(`not JSON: ${(error as Error).message}`)
  }
  if (!isObject(parsed)) throw new ExpectationsError('not an object of test name → expectation')
  return new Map(Object.entries(parsed).map(([name, entry]) => [name, checkedEntry(name, entry)]))
}

/**
 * @param isComplete every test of the suite was asked for, so that an entry without a test is stale.
 */
export function compareWithExpectations(
  results: readonly TestResult[],
  expectations: Expectations,
  { isComplete }: { isComplete: boolean },
): Comparison {
  const surprises: string[] = []
  const stale: string[] = []
  const known: { name: string; reason: string }[] = []
  const seen = new Set<string>()
  const used = new Set<string>()
  for (const { name, outcome, detail } of results) {
    if (seen.has(name)) surprises.push(`${name}: two tests of this name`)
    seen.add(name)
    const entry = entryFor(name, expectations)
    if (entry !== undefined) used.add(entry)
    const expectation = entry === undefined ? undefined : expectations.get(entry)
    if (outcome === (expectation?.outcome ?? 'passed')) {
      if (expectation !== undefined) known.push({ name, reason: expectation.reason })
    } else if (outcome === 'passed') stale.push(`${entry}: ${name} passed, take the entry out`)
    else surprises.push(`${name}: ${outcome}${detail === undefined ? '' : `: ${detail}`}`)
  }
  for (const name of expectations.keys()) {
    if (isComplete && !used.has(name)) stale.push(`${name}: there is no such test`)
  }
  return { surprises, stale, known }
}

/** The entry with exactly this name, else the longest pattern that fits it. */
function entryFor(name: string, expectations: Expectations): string | undefined {
  if (expectations.has(name)) return name
  let best: string | undefined
  for (const entry of expectations.keys()) {
    if (!entry.endsWith('*') || !name.startsWith(entry.slice(0, -1))) continue
    if (best === undefined || entry.length > best.length) best = entry
  }
  return best
}

function checkedEntry(name: string, entry: unknown): Expectation {
  if (!isObject(entry)) throw new ExpectationsError(`${name}: not an object`)
  const { outcome, reason, ...others } = entry
  const unknown = Object.keys(others)[0]
  if (unknown !== undefined) throw new ExpectationsError(`${name}: unknown field ${unknown}`)
  if (outcome !== 'failed' && outcome !== 'skipped') {
    throw new ExpectationsError(
      `${name}: outcome is ${JSON.stringify(outcome)}, not failed or skipped`,
    )
  }
  if (typeof reason !== 'string' || !isReason(reason)) {
    throw new ExpectationsError(`${name}: ${JSON.stringify(reason)} is no reason`)
  }
  return { outcome, reason }
}

function isReason(text: string): boolean {
  if (issueNumber.test(text)) return true
  const words = text.trim().split(/\s+/)
  return words.length >= minReasonWords && !emptyReasons.test(text.trim())
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
