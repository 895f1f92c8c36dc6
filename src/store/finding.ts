/** What a check of a data directory has to say. */
import type { FilePosition, Offset } from '../base/types.ts'

/**
 * - `records`        damaged batches, or records that are missing
 * - `header`         fields of a batch that no checksum covers; nothing is lost
 * - `index`          offset or time index; derived from the log
 * - `snapshot`       what is remembered of idempotent producers; derived from the log
 * - `leader-epochs`  first offset of each leader epoch; derived from the log
 * - `checkpoint`     recovery points or log starts of the data directory
 * - `properties`     cluster and node id of the directory
 * - `topic-id`       topic id beside a partition's files
 * - `table`          the store's own table: topics, producer ids, leader epoch
 * - `table-snapshot` what a table held at one offset of its log
 * - `directory`      a partition has no directory
 * - `journal`        the journal cannot be read, so the store does not open
 * - `unreadable`     a file of a log cannot be read; what it holds is not known
 * - `left-over`      a file that opening the store removes or finishes
 * - `not-recovered`  after an unclean stop: what opening the store will deal with
 */
export type FindingKind =
  | 'records'
  | 'header'
  | 'index'
  | 'snapshot'
  | 'leader-epochs'
  | 'checkpoint'
  | 'properties'
  | 'topic-id'
  | 'table'
  | 'table-snapshot'
  | 'directory'
  | 'journal'
  | 'unreadable'
  | 'left-over'
  | 'not-recovered'

export type Finding = {
  /** `damage` needs a repair; a `note` does not. */
  readonly severity: 'damage' | 'note'
  readonly kind: FindingKind
  readonly path: string
  /** Byte of the file at which it begins, when it is at one place. */
  readonly position?: FilePosition
  /** Bytes concerned from there on. */
  readonly sizeBytes?: number
  /** Log concerned, `<topic>-<partition>`. */
  readonly log?: string
  /** Records concerned: `from` inclusive, `to` exclusive, or undefined when nothing tells. */
  readonly offsets?: { readonly from: Offset; readonly to: Offset | undefined }
  /** What is wrong, for people. */
  readonly message: string
}

/** `[from, to)` as people write it: "offsets 12 to 14". */
export function offsetsText({ from, to }: NonNullable<Finding['offsets']>): string {
  if (to === undefined) return `offsets from ${from} on`
  return to - from <= 1 ? `offset ${from}` : `offsets ${from} to ${to - 1}`
}

/** A finding in one line. */
export function findingText(finding: Finding): string {
  const { severity, message, position, path, offsets } = finding
  const place = position === undefined ? path : `byte ${position} of ${path}`
  const records = offsets === undefined ? '' : ` (${offsetsText(offsets)})`
  return `${severity}  ${message}${records}: ${place}`
}
