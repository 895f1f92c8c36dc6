/** What a suite is: a folder of conformance/ whose run.ts exports one of these as `suite`. */
import type { SuiteContext } from './suite-context.ts'

export type Outcome = 'passed' | 'failed' | 'skipped'

export type TestResult = {
  /** Unique within the suite, and the same in every run: expectations.json refers to it. */
  readonly name: string
  readonly outcome: Outcome
  /** Why it did not pass, in one line or several. */
  readonly detail?: string
}

export type Suite = {
  /** The name of its folder. */
  readonly name: string
  /** Commands it needs; where one is missing the suite is not run, and the table says so. */
  readonly tools: readonly string[]
  /** Part of `--fast`: a few minutes at most. */
  readonly fast: boolean
  /** Throws NotRunError when something else it needs is missing; any other error fails the suite. */
  run(context: SuiteContext): Promise<readonly TestResult[]>
}
