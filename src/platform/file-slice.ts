/**
 * Bytes `[position, position + length)` of an open file, on their way to a socket without being
 * copied through this process. Made by a log's read, carried inside a response, consumed by net.
 *
 * The slice keeps its file open, and keeps those bytes from being truncated away, until
 * `release`; whoever holds the slice last calls it exactly once, also when the bytes were never
 * sent.
 */
import type { File } from './file-system.ts'

export interface FileSlice {
  readonly kind: 'file-slice'
  /** `file.fd` is −1 on a simulated disk: read such bytes with `file.read`. */
  readonly file: File
  /** Bytes from the start of the file. */
  readonly position: number
  /** Bytes, > 0. */
  readonly length: number
  /** Lets the file be closed. A second call does nothing. */
  release(): void
}

/** Has the bytes brought into memory, so that who reads them then does not wait, and releases the slice. */
export async function loadSlice(slice: FileSlice): Promise<void> {
  try {
    await slice.file.load(slice.position, slice.length)
  } finally {
    slice.release()
  }
}
