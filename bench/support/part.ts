/** What each part of the bench gives, after it printed its tables. */
import type { Target } from './target.ts'

export type PartResult = {
  readonly targets: readonly Target[]
  /** For bench/results/durable.json. */
  readonly figures: unknown
  /** One line for each thing that could not be measured, with the reason. */
  readonly skipped: readonly string[]
}
