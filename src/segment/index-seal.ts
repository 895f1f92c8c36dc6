/**
 * What a checkpoint remembers of a segment's index files: how many entries they had and their
 * checksums. Index files have none of their own, and nothing else tells whether a crash tore them.
 */
import type { Offset } from '../base/types.ts'

export type IndexSeal = {
  /** Of the segment. */
  readonly baseOffset: Offset
  readonly offsetEntries: number
  /** CRC-32C of that many entries. */
  readonly offsetCrc: number
  readonly timeEntries: number
  readonly timeCrc: number
}
