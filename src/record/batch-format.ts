/**
 * RecordBatch v2 ("magic 2") of Apache Kafka, the unit of append, checksum, compression and
 * fetch. All integers are big-endian two's complement. The one file that knows byte positions.
 *
 *     batch :=
 *       baseOffset           i64  @0    offset of the first record of the batch as produced
 *       batchLength          i32  @8    bytes after this field: whole size − 12, at least 49
 *       partitionLeaderEpoch i32  @12   −1 unknown; outside the CRC, as all before it
 *       magic                i8   @16   2
 *       crc                  u32  @17   CRC-32C of everything from `attributes` to the end
 *       attributes           i16  @21   codec 0–2, bits below
 *       lastOffsetDelta      i32  @23   last offset − base offset; kept by compaction
 *       baseTimestamp        i64  @27   of the first record, −1 none; delete horizon with bit 6
 *       maxTimestamp         i64  @35   largest record timestamp, or the append time
 *       producerId           i64  @43   −1 none
 *       producerEpoch        i16  @51   −1 none
 *       baseSequence         i32  @53   −1 none
 *       recordCount          i32  @57   records present; compaction may leave fewer, even 0
 *       records                   @61   plain, or compressed as one stream
 *
 *     record :=
 *       length varint, attributes i8 = 0, timestampDelta varlong, offsetDelta varint,
 *       keyLength varint (< 0 null), key, valueLength varint (< 0 null), value,
 *       headerCount varint, header*
 *
 *     header := keyLength varint ≥ 0, UTF-8 key, valueLength varint (< 0 null), value
 */
import { assert } from '../base/assert.ts'

export const baseOffsetAt = 0
export const batchLengthAt = 8
export const leaderEpochAt = 12
export const magicAt = 16
export const crcAt = 17
export const attributesAt = 21
export const lastOffsetDeltaAt = 23
export const baseTimestampAt = 27
export const maxTimestampAt = 35
export const producerIdAt = 43
export const producerEpochAt = 51
export const baseSequenceAt = 53
export const recordCountAt = 57

/** Bytes of the header; the records begin here. */
export const batchHeaderSize = 61
/** Bytes that `batchLength` does not count: whole size = `batchOverhead + batchLength`. */
export const batchOverhead = 12
/** Smallest legal `batchLength`: a batch without records. */
export const minBatchLength: number = batchHeaderSize - batchOverhead
/** Smallest length field of the legacy formats (magic 0 and 1). */
export const minLegacyLength = 14
/** Bytes needed to tell size and format version: up to and including `magic`. */
export const batchPrefixSize = 17
/** Everything from here to the end is under the CRC. */
export const crcCoveredFrom: number = attributesAt
/** Largest whole batch: `batchLength` and file positions are 32-bit. */
export const maxBatchSize = 0x7fff_ffff

export const currentMagic = 2

export const codecMask = 0x07
export const appendTimeBit = 0x08
export const transactionalBit = 0x10
export const controlBit = 0x20
export const deleteHorizonBit = 0x40

/** Stands for "none" in timestamps, producer id, producer epoch, sequence and leader epoch. */
export const none = -1

assert(recordCountAt + 4 === batchHeaderSize, 'the record count is the last header field')
assert(crcAt + 4 === crcCoveredFrom, 'the CRC covers all that follows it')
