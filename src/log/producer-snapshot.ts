/**
 * Producer state on disk: `<offset>.snapshot` covers all records below the offset in its name.
 *
 *     snapshot :=
 *       version:    int16 = 1
 *       crc:        uint32           // CRC-32C of everything after it
 *       entryCount: int32
 *       entries:    entry × entryCount
 *     entry :=                       // 46 bytes
 *       producerId: int64, producerEpoch: int16, lastSequence: int32, lastOffset: int64,
 *       offsetDelta: int32, lastTimestamp: int64, coordinatorEpoch: int32,
 *       transactionFirstOffset: int64
 *
 * Only the last batch of each producer is kept. The file is written in place: a torn one fails its
 * checksum, and the next older one plus a replay of the log gives the same state.
 * Origin: Apache Kafka; see docs/file-format.md.
 */
import type { Offset } from '../base/types.ts'
import { crc32c } from '../platform/crc32c.ts'
import type { FileSystem } from '../platform/file-system.ts'
import type { ProducerEntry } from './producer-state.ts'

const snapshotVersion = 1
const crcAt = 2
const countAt = 6
const entriesAt = 10
const entrySize = 46
const maxSnapshotBytes = 1024 * 1024 * 1024

export function encodeSnapshot(producers: Iterable<ProducerEntry>): Buffer {
  const entries = [...producers]
  const bytes = Buffer.alloc(entriesAt + entries.length * entrySize)
  bytes.writeInt16BE(snapshotVersion, 0)
  bytes.writeInt32BE(entries.length, countAt)
  entries.forEach((entry, i) => {
    writeEntry(bytes, entriesAt + i * entrySize, entry)
  })
  bytes.writeUInt32BE(crc32c(bytes, countAt, bytes.length), crcAt)
  return bytes
}

/** The producers of a snapshot, or undefined when the bytes are not a whole valid one. */
export function decodeSnapshot(bytes: Buffer): ProducerEntry[] | undefined {
  if (bytes.length < entriesAt || bytes.readInt16BE(0) !== snapshotVersion) return undefined
  if (bytes.readUInt32BE(crcAt) !== crc32c(bytes, countAt, bytes.length)) return undefined
  const count = bytes.readInt32BE(countAt)
  if (count < 0 || bytes.length !== entriesAt + count * entrySize) return undefined
  return Array.from({ length: count }, (_, i) => readEntry(bytes, entriesAt + i * entrySize))
}

/** Reads a snapshot file; undefined when it is missing or not valid. */
export function readSnapshot(fileSystem: FileSystem, path: string): ProducerEntry[] | undefined {
  const stat = fileSystem.stat(path)
  if (stat === undefined || stat.sizeBytes > maxSnapshotBytes) return undefined
  const file = fileSystem.open(path, 'read')
  try {
    const bytes = Buffer.alloc(file.size())
    return decodeSnapshot(bytes.subarray(0, file.read(bytes, 0)))
  } finally {
    file.close()
  }
}

/** Writes a snapshot file. Not durable on return: a lost one is rebuilt from the log. */
export function writeSnapshot(
  fileSystem: FileSystem,
  path: string,
  producers: Iterable<ProducerEntry>,
): void {
  const bytes = encodeSnapshot(producers)
  const file = fileSystem.open(path, 'open-or-create')
  try {
    if (file.size() !== bytes.length) file.truncate(bytes.length)
    file.write(bytes, 0)
  } finally {
    file.close()
  }
}

function writeEntry(bytes: Buffer, at: number, entry: ProducerEntry): void {
  const last = entry.batches.at(-1)
  writeInt64(bytes, at, entry.producerId)
  bytes.writeInt16BE(entry.epoch, at + 8)
  bytes.writeInt32BE(last?.lastSequence ?? -1, at + 10)
  writeInt64(bytes, at + 14, last?.lastOffset ?? -1)
  bytes.writeInt32BE(last?.offsetDelta ?? 0, at + 22)
  writeInt64(bytes, at + 26, entry.lastTimestamp)
  bytes.writeInt32BE(entry.coordinatorEpoch, at + 34)
  writeInt64(bytes, at + 38, entry.transactionFirstOffset)
}

function readEntry(bytes: Buffer, at: number): ProducerEntry {
  const lastOffset = readInt64(bytes, at + 14)
  const lastTimestamp = readInt64(bytes, at + 26)
  const last = {
    lastSequence: bytes.readInt32BE(at + 10),
    lastOffset: lastOffset as Offset,
    offsetDelta: bytes.readInt32BE(at + 22),
    timestamp: lastTimestamp,
  }
  return {
    producerId: readInt64(bytes, at),
    epoch: bytes.readInt16BE(at + 8),
    batches: lastOffset < 0 ? [] : [last],
    lastTimestamp,
    coordinatorEpoch: bytes.readInt32BE(at + 34),
    transactionFirstOffset: readInt64(bytes, at + 38),
  }
}

function writeInt64(bytes: Buffer, at: number, value: number): void {
  bytes.writeBigInt64BE(BigInt(value), at)
}

function readInt64(bytes: Buffer, at: number): number {
  return Number(bytes.readBigInt64BE(at))
}
