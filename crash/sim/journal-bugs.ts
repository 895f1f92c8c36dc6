/** Frames and headers of the redo journal, as an engine with a bug would write them. */
import { frameHeaderSize, recordHeaderSize, sealFrame } from '../../src/flush/journal-format.ts'
import { producerIdAt } from '../../src/record/batch-format.ts'
import { readInt64OrNaN } from '../../src/record/int64.ts'

const frameMagic = 'SLJF'
const freeRegionMagic = 'SLJE'

/** No kind of record: a replay passes over it. */
const noKind = 0
const writeKind = 1

function magicOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, 4)).toString('latin1')
}

/** Where the records of a frame begin, and their data. */
function recordsOf(frame: Buffer): { readonly at: number; readonly data: Buffer }[] {
  const found: { at: number; data: Buffer }[] = []
  const end = frame.readUInt32BE(4)
  let at = frameHeaderSize
  while (at < end) {
    const dataAt = at + recordHeaderSize + frame[at + 1]! + frame[at + 2]!
    const dataEnd = dataAt + frame.readUInt32BE(at + 24)
    found.push({ at, data: frame.subarray(dataAt, dataEnd) })
    at = dataEnd
  }
  return found
}

/** What is written to the journal is a frame that ends with the batches of an atomic group. */
export function isGroupFrame(bytes: Uint8Array): boolean {
  if (magicOf(bytes) !== frameMagic) return false
  const frame = Buffer.from(bytes)
  const last = recordsOf(frame).at(-1)
  if (last === undefined || frame[last.at] !== writeKind) return false
  return last.data.length > producerIdAt + 8 && readInt64OrNaN(last.data, producerIdAt) < -1
}

export function isFreeHeader(bytes: Uint8Array): boolean {
  return magicOf(bytes) === freeRegionMagic
}

/** The frame with one record that says nothing, if it has two or more. */
export function withoutLastRecord(bytes: Uint8Array): Uint8Array {
  if (magicOf(bytes) !== frameMagic) return bytes
  const frame = Buffer.from(bytes)
  const records = recordsOf(frame)
  if (records.length < 2) return bytes
  frame[records.at(-1)!.at] = noKind
  const sequence = readInt64OrNaN(frame, 16)
  sealFrame(frame, frame.readUInt32BE(4), records.length, sequence)
  return frame
}
