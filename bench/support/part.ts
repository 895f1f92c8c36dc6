/** What each part of the bench gives, after it printed its tables. */
import type { Target } from './target.ts'

export type PartResult = {
  readonly targets: readonly Target[]
  /** For the file of results. */
  readonly figures: unknown
  /** One line for each thing that could not be measured, with the reason. */
  readonly skipped: readonly string[]
}
