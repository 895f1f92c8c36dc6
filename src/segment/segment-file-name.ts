/**
 * 20-digit offset ↔ file name, as Kafka names the files of a partition directory:
 * `00000000000000001042.log`.
 */
import type { Offset } from '../base/types.ts'

export const logSuffix = '.log'
export const offsetIndexSuffix = '.index'
export const timeIndexSuffix = '.timeindex'
export const transactionIndexSuffix = '.txnindex'
export const snapshotSuffix = '.snapshot'
/** Appended to a name that waits for removal. */
export const deletedSuffix = '.deleted'
/** Appended to the incomplete output of a compaction or split. */
export const cleanedSuffix = '.cleaned'
/** Appended to complete output that waits to take its final name. */
export const swapSuffix = '.swap'
/** Appended to the name of what a repair took out: bytes nobody reads but people. */
export const damagedSuffix = '.damaged'
/** Appended to the next version of a file before its rename. */
export const temporarySuffix = '.tmp'

const digits = 20

export function segmentFileName(offset: number, suffix: string): string {
  return String(offset).padStart(digits, '0') + suffix
}

/** The offset a file name starts with, when the name is 20 digits and exactly `suffix`. */
export function offsetOfFileName(name: string, suffix: string): Offset | undefined {
  if (name.length !== digits + suffix.length || !name.endsWith(suffix)) return undefined
  const text = name.slice(0, digits)
  if (!/^\d{20}$/.test(text)) return undefined
  const offset = Number(text)
  return Number.isSafeInteger(offset) ? (offset as Offset) : undefined
}
