/** What a reader gets and what a writer may give. */
import type { Offset } from '../base/types.ts'

export type RecordHeader = {
  readonly key: string
  /** Null is a value of its own, different from no bytes. */
  readonly value: Buffer | null
}

/**
 * One record as read. Buffers are views of the bytes the batch was read from, and live as long
 * as those do.
 */
export type LogRecord = {
  readonly offset: Offset
  /** ms since the epoch, −1 when the producer gave none. */
  readonly timestamp: number
  readonly key: Buffer | null
  /** Null is a tombstone: in a compacted log it removes the key. */
  readonly value: Buffer | null
  /** In the order written; keys may repeat. */
  readonly headers: readonly RecordHeader[]
}

/** Strings are written as UTF-8 (a lone surrogate becomes U+FFFD). */
export type RecordBytes = string | Uint8Array

export type RecordHeadersInput =
  | Readonly<Record<string, RecordBytes | null>>
  | readonly { readonly key: string; readonly value: RecordBytes | null }[]

export type RecordFields = {
  readonly key?: RecordBytes | null
  readonly value: RecordBytes | null
  readonly headers?: RecordHeadersInput
  /** ms since the epoch: a safe integer ≥ 0, or −1 for none. Default: the time of the append. */
  readonly timestamp?: number
}

/** A record to append. Bytes or a string alone are the value. */
export type RecordInput = RecordBytes | RecordFields
