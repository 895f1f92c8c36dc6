/** Frames for a journal on the simulated disk, and what a replay would find of them. */
import { expect } from 'vitest'
import { type Journal, journalFileName } from '../../src/flush/journal.ts'
import { encodePrefix, journalPageBytes } from '../../src/flush/journal-format.ts'
import { JournalFrame } from '../../src/flush/journal-frame.ts'
import { readJournal } from '../../src/flush/journal-replay.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'

export const journalPath = `/data/${journalFileName}`
export const regionBytes = 8 * journalPageBytes
export const journalId = 0x01020304
export const a = encodePrefix({ directoryName: 'a-0', topicId: 'id-of-a' })
export const b = encodePrefix({ directoryName: 'b-0', topicId: '' })

type Write = [prefix: typeof a, position: number, text: string]

export function frameOf(journal: Journal, ...writes: Write[]): JournalFrame {
  const frame = new JournalFrame(journal.maxFrameBytes)
  for (const [prefix, position, text] of writes) {
    const bytes = Buffer.from(text)
    const end = (position + bytes.length) as never
    expect(frame.addWrite(prefix, 0 as never, position, end, bytes, 0, bytes.length)).toBe(true)
  }
  return frame
}

export function write(journal: Journal, ...writes: Write[]): void {
  journal.write(frameOf(journal, ...writes))
}

export function cut(journal: Journal, prefix: typeof a, position: number, baseOffset = 0): void {
  const frame = new JournalFrame(journal.maxFrameBytes)
  const place = { baseOffset: baseOffset as never, position, endOffset: position as never }
  expect(frame.addCut(prefix, place)).toBe(true)
  journal.write(frame)
}

export function recordsOf(disk: SimFileSystem): string[] {
  return Array.from(readJournal(disk, journalPath), (record) => {
    return `${record.directoryName}/${record.topicId}@${record.position} ${record.data}`
  })
}
