/** What a repair does, one step each: said first, done on request. */
import type { Offset } from '../base/types.ts'

/** Records that a repair gives up, because nothing of the directory holds them any more. */
export type LostRecords = {
  /** `<topic>-<partition>` */
  readonly log: string
  /** First offset lost. */
  readonly from: Offset
  /** Offset after the last one lost; undefined when nothing tells. */
  readonly to: Offset | undefined
}

export type RepairAction = {
  /** File or directory that is changed. */
  readonly path: string
  /** What is done, for people. */
  readonly message: string
  /** Where the bytes go that are taken out. */
  readonly sideFiles: readonly string[]
}

/** Each action may be cut off anywhere and be planned and done again afterwards. */
export type PlannedAction = RepairAction & { readonly apply: () => void | Promise<void> }
