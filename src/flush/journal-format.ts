/**
 * Bytes of the redo journal, `stratalog.journal`. This file alone knows them.
 *
 *     journal := region region                     // of equal size, a multiple of 4096
 *     region  := header page, frame*               // every frame begins at a multiple of 4096
 *     header  := magic u32 = "SLJR" or "SLJE", version u16 = 1, region u16, regionBytes u32, journalId u32,
 *                firstSequence i64, crc u32         // CRC-32C of the 24 bytes before it
 *                // SLJE: the region is free, and all frames below firstSequence are written back
 *     frame   := magic u32 = "SLJF", length u32, crc u32, recordCount u32, sequence i64, record*
 *                // length: whole frame without padding; CRC-32C of bytes 12 … length
 *     record  := kind u8, nameLength u8, idLength u8, 0 u8, position u32, baseOffset i64,
 *                endOffset i64, dataLength u32, name, id, data
 *
 * Integers are big-endian. Frames of a region are numbered without a gap from `firstSequence`, and
 * numbers never come twice in the life of a journal, so what an earlier round left behind a frame
 * is not taken for the next one. A page belongs to one frame: writing a frame cannot tear another.
 */
import { assert } from '../base/assert.ts'
import { StoreFormatError } from '../base/errors.ts'
import type { Offset } from '../base/types.ts'
import { crc32c } from '../platform/crc32c.ts'
import { readInt64OrNaN, readUint32 } from '../record/int64.ts'

export const journalPageBytes = 4096
export const journalVersion = 1
/** Room for the header page and one page of frames. */
export const minRegionBytes = 2 * journalPageBytes

const regionMagic = 0x534c_4a52
const freeRegionMagic = 0x534c_4a45
const frameMagic = 0x534c_4a46
const regionCrcAt = 24
const regionHeaderSize = 28

export const frameHeaderSize = 24
export const recordHeaderSize = 28

/** What a record says. */
export const recordKinds = {
  /** `data` belongs at `position` of the segment with that base offset. */
  write: 1,
  /** Earlier writes of the log at or after (baseOffset, position) are void: it was truncated. */
  cut: 2,
  /** The group of frame `baseOffset` was taken back: a segment of it could not be written. */
  takenBack: 3,
} as const

/** Whose log a record is about. The id tells a topic from an earlier one of the same name. */
export type RedoIdentity = {
  /** `<topic>-<partition>`, the log's directory. */
  readonly directoryName: string
  /** Empty for the store's own log. */
  readonly topicId: string
}

export type RedoRecord = {
  readonly kind: number
  readonly directoryName: string
  readonly topicId: string
  /** Base offset of the segment. */
  readonly baseOffset: Offset
  readonly position: number
  /** Offset after the last record in `data`. */
  readonly endOffset: Offset
  /** Borrowed from the region it was read from. */
  readonly data: Buffer
}

export function paddedToPage(sizeBytes: number): number {
  return Math.ceil(sizeBytes / journalPageBytes) * journalPageBytes
}

/** What stands in the header of a region. */
export type RegionHeader = {
  readonly regionBytes: number
  /** Random: tells the frames of this journal from those of one before it. */
  readonly journalId: number
  /** Number of the region's first frame; of a free one, of the first frame still needed. */
  readonly firstSequence: number
  readonly isFree: boolean
}

/** The header page of a region, to be written together with its first frame or to free it. */
export function encodeRegionHeader(region: number, header: RegionHeader): Buffer {
  const { regionBytes, journalId, firstSequence, isFree } = header
  const page = Buffer.alloc(journalPageBytes)
  page.writeUInt32BE(isFree ? freeRegionMagic : regionMagic, 0)
  page.writeUInt16BE(journalVersion, 4)
  page.writeUInt16BE(region, 6)
  page.writeUInt32BE(regionBytes, 8)
  page.writeUInt32BE(journalId, 12)
  writeSequence(page, 16, firstSequence)
  page.writeUInt32BE(crc32c(page, 0, regionCrcAt), regionCrcAt)
  return page
}

/**
 * The header at the start of `page`, or undefined when none was ever written whole.
 * @throws StoreFormatError it is one of a later version.
 */
export function decodeRegionHeader(page: Buffer, path: string): RegionHeader | undefined {
  if (page.length < regionHeaderSize) return undefined
  const magic = readUint32(page, 0)
  if (magic !== regionMagic && magic !== freeRegionMagic) return undefined
  if (crc32c(page, 0, regionCrcAt) !== readUint32(page, regionCrcAt)) return undefined
  const version = page.readUInt16BE(4)
  if (version !== journalVersion) {
    const reason = `journal version is ${version}: expected ${journalVersion}`
    throw new StoreFormatError({ path, reason })
  }
  return {
    regionBytes: readUint32(page, 8),
    journalId: readUint32(page, 12),
    firstSequence: readInt64OrNaN(page, 16),
    isFree: magic === freeRegionMagic,
  }
}

/** Fills in the header of a frame whose records stand in `bytes[frameHeaderSize, lengthBytes)`. */
export function sealFrame(
  bytes: Buffer,
  lengthBytes: number,
  recordCount: number,
  sequence: number,
): void {
  bytes.writeUInt32BE(frameMagic, 0)
  bytes.writeUInt32BE(lengthBytes, 4)
  bytes.writeUInt32BE(recordCount, 12)
  writeSequence(bytes, 16, sequence)
  bytes.writeUInt32BE(crc32c(bytes, 12, lengthBytes), 8)
}

/** Size of the whole frame `sequence` at `position`, or undefined when it is not there whole. */
export function frameSizeAt(bytes: Buffer, position: number, sequence: number): number | undefined {
  if (position + frameHeaderSize > bytes.length) return undefined
  if (readUint32(bytes, position) !== frameMagic) return undefined
  const lengthBytes = readUint32(bytes, position + 4)
  if (lengthBytes < frameHeaderSize || position + lengthBytes > bytes.length) return undefined
  if (readInt64OrNaN(bytes, position + 16) !== sequence) return undefined
  const crc = crc32c(bytes, position + 12, position + lengthBytes)
  return crc === readUint32(bytes, position + 8) ? lengthBytes : undefined
}

/** Writes all of a record but its data; `at` is where it begins. @returns where the data begins. */
export function writeRecordHeader(
  bytes: Buffer,
  at: number,
  kind: number,
  prefix: RedoPrefix,
  place: { readonly baseOffset: Offset; readonly position: number; readonly endOffset: Offset },
): number {
  bytes[at] = kind
  bytes[at + 1] = prefix.nameLength
  bytes[at + 2] = prefix.idLength
  bytes[at + 3] = 0
  bytes.writeUInt32BE(place.position, at + 4)
  writeSequence(bytes, at + 8, place.baseOffset)
  writeRecordEnd(bytes, at, place.endOffset, 0)
  prefix.bytes.copy(bytes, at + recordHeaderSize)
  return at + recordHeaderSize + prefix.bytes.length
}

/** Sets what changes when data is added to the record at `at`. */
export function writeRecordEnd(
  bytes: Buffer,
  at: number,
  endOffset: Offset,
  dataLength: number,
): void {
  writeSequence(bytes, at + 16, endOffset)
  bytes.writeUInt32BE(dataLength, at + 24)
}

/** A log's identity as it stands in every record about it, encoded once. */
export type RedoPrefix = {
  readonly nameLength: number
  readonly idLength: number
  readonly bytes: Buffer
}

export function encodePrefix({ directoryName, topicId }: RedoIdentity): RedoPrefix {
  const name = Buffer.from(directoryName)
  const id = Buffer.from(topicId)
  assert(name.length <= 255 && id.length <= 255, 'names and ids fit one length byte')
  return { nameLength: name.length, idLength: id.length, bytes: Buffer.concat([name, id]) }
}

/** The records of the frame `bytes[start, end)`, whose checksum held. */
export function* decodeRecords(bytes: Buffer, start: number, end: number): Generator<RedoRecord> {
  let at = start + frameHeaderSize
  while (at < end) {
    const nameAt = at + recordHeaderSize
    const idAt = nameAt + (bytes[at + 1] as number)
    const dataAt = idAt + (bytes[at + 2] as number)
    const dataEnd = dataAt + readUint32(bytes, at + 24)
    assert(dataEnd <= end, 'a frame with a good checksum holds whole records')
    yield {
      kind: bytes[at] as number,
      directoryName: bytes.toString('utf8', nameAt, idAt),
      topicId: bytes.toString('utf8', idAt, dataAt),
      position: readUint32(bytes, at + 4),
      baseOffset: readInt64OrNaN(bytes, at + 8) as Offset,
      endOffset: readInt64OrNaN(bytes, at + 16) as Offset,
      data: bytes.subarray(dataAt, dataEnd),
    }
    at = dataEnd
  }
}

function writeSequence(bytes: Buffer, at: number, value: number): void {
  bytes.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at)
  bytes.writeUInt32BE(value % 0x1_0000_0000, at + 4)
}
