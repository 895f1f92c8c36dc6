/**
 * A table on disk: `<offset>.table` is what it held when its log ended at the offset in the name.
 *
 *     snapshot := header, block *, trailer                integers big-endian
 *     header   := magic "stratabl", version: int16 = 1, offset: int64,
 *                 keyCodec: string, valueCodec: string,   // int16 length, then ASCII
 *                 crc: uint32
 *     block    := length: int32 > 0, crc: uint32, entry *
 *     entry    := keyLength: uint32, valueLength: uint32, key, value, zeros up to 8 bytes
 *     trailer  := zero: int32 = 0, entryCount: int64, crc: uint32
 *
 * Entries stand in no order, and as an arena holds them: a block read is a chunk to use. Every CRC
 * is the CRC-32C of all bytes since the one before it but for the length, continued from that one,
 * so no block can be missing, doubled or in another place. A file is written beside its place, made
 * durable and renamed.
 */
import { StoreFormatError } from '../base/errors.ts'
import type { Offset } from '../base/types.ts'
import { crc32c } from '../platform/crc32c.ts'
import type { File, FileSystem } from '../platform/file-system.ts'
import { readInt32, readInt64OrNaN, readUint32, writeInt32, writeInt64 } from '../record/int64.ts'
import { offsetOfFileName, segmentFileName, temporarySuffix } from '../segment/segment-file-name.ts'
import {
  type Chunk,
  chunkBytes,
  dying,
  entryHeaderSize,
  entrySize,
  live,
  maxKeyBytes,
} from './entry-arena.ts'

export const tableSuffix = '.table'

export type SnapshotHeader = {
  /** The log's records below are in the snapshot. */
  readonly offset: Offset
  readonly keyCodec: string
  readonly valueCodec: string
}

const magic = Buffer.from('stratabl')
const version = 1
const versionAt = 8
const offsetAt = 10
const codecsAt = 18
const maxCodecLength = 64
const maxHeaderSize = codecsAt + 2 * (2 + maxCodecLength) + 4
const blockHeaderSize = 8
const trailerSize = 16

/** Offsets that have a snapshot in the log's directory, the newest first. */
export function snapshotOffsets(fileSystem: FileSystem, directory: string): Offset[] {
  const offsets: Offset[] = []
  for (const name of fileSystem.readDirectory(directory)) {
    const offset = offsetOfFileName(name, tableSuffix)
    if (offset !== undefined) offsets.push(offset)
  }
  return offsets.sort((a, b) => b - a)
}

export function snapshotPath(directory: string, offset: Offset): string {
  return `${directory}/${segmentFileName(offset, tableSuffix)}`
}

/** Removes what writers that did not finish have left. */
export function removeUnfinished(fileSystem: FileSystem, directory: string): void {
  for (const name of fileSystem.readDirectory(directory)) {
    if (name.endsWith(tableSuffix + temporarySuffix)) fileSystem.remove(`${directory}/${name}`)
  }
}

/** Writes one snapshot, a block at a time; the caller gives others a turn between two calls. */
export class SnapshotWriter {
  readonly #fileSystem: FileSystem
  readonly #directory: string
  readonly #path: string
  readonly #file: File
  #position = 0
  #crc = 0
  #entryCount = 0
  /** One block; a single entry may be larger. */
  #block: Buffer = Buffer.allocUnsafeSlow(blockHeaderSize + chunkBytes)
  #blockEnd = blockHeaderSize

  constructor(fileSystem: FileSystem, directory: string, header: SnapshotHeader) {
    this.#fileSystem = fileSystem
    this.#directory = directory
    this.#path = snapshotPath(directory, header.offset)
    this.#file = fileSystem.open(this.#path + temporarySuffix, 'open-or-create')
    try {
      this.#file.truncate(0)
      const bytes = encodeHeader(header)
      this.#file.write(bytes, 0)
      this.#position = bytes.length
      this.#crc = readUint32(bytes, bytes.length - 4)
    } catch (error) {
      this.abort()
      throw error
    }
  }

  /** Adds the entries of a chunk that were live when the snapshot began. One or two writes. */
  add(chunk: Chunk): void {
    const { bytes, scanEnd } = chunk
    for (let at = 0; at < scanEnd; ) {
      const first = bytes[at]!
      const state = first >>> 6
      const keyLength = readInt32(bytes, at) & maxKeyBytes
      const size = entrySize(keyLength, Math.max(0, readInt32(bytes, at + 4)))
      if (state === live || state === dying) {
        if (this.#blockEnd + size > this.#block.length) this.#makeRoom(size)
        this.#block.set(bytes.subarray(at, at + size), this.#blockEnd)
        this.#block[this.#blockEnd] = first & 0x3f
        this.#blockEnd += size
        this.#entryCount++
      }
      at += size
    }
  }

  #makeRoom(size: number): void {
    this.#writeBlock()
    if (blockHeaderSize + size > this.#block.length) {
      this.#block = Buffer.allocUnsafeSlow(blockHeaderSize + size)
    }
  }

  #writeBlock(): void {
    if (this.#blockEnd === blockHeaderSize) return
    const bytes = this.#block.subarray(0, this.#blockEnd)
    this.#crc = crc32c(bytes, blockHeaderSize, bytes.length, this.#crc)
    writeInt32(bytes, 0, bytes.length - blockHeaderSize)
    writeInt32(bytes, 4, this.#crc)
    this.#file.write(bytes, this.#position)
    this.#position += bytes.length
    this.#blockEnd = blockHeaderSize
  }

  /** Completes the snapshot and puts it in its place, durably. */
  async finish(): Promise<void> {
    this.#writeBlock()
    const trailer = Buffer.alloc(trailerSize)
    writeInt64(trailer, 4, this.#entryCount)
    writeInt32(trailer, 12, crc32c(trailer, 4, 12, this.#crc))
    this.#file.write(trailer, this.#position)
    await this.#file.flush()
    this.#file.close()
    this.#fileSystem.rename(this.#path + temporarySuffix, this.#path)
    await this.#fileSystem.syncDirectory(this.#directory)
  }

  /** Gives up: closes and removes the unfinished file. */
  abort(): void {
    this.#file.close()
    const path = this.#path + temporarySuffix
    if (this.#fileSystem.stat(path) !== undefined) this.#fileSystem.remove(path)
  }
}

/** Reads one snapshot, a block at a time. Throws StoreFormatError for what is not a whole one. */
export class SnapshotReader {
  readonly header: SnapshotHeader
  readonly #file: File
  readonly #sizeBytes: number
  #position: number
  #crc: number
  #entryCount = 0

  constructor(fileSystem: FileSystem, path: string) {
    this.#file = fileSystem.open(path, 'read')
    try {
      this.#sizeBytes = this.#file.size()
      const bytes = this.#read(0, Math.min(this.#sizeBytes, maxHeaderSize))
      const { header, end } = this.#decodeHeader(bytes)
      this.header = header
      this.#position = end
      this.#crc = readUint32(bytes, end - 4)
    } catch (error) {
      this.#file.close()
      throw error
    }
  }

  /** The entries of the next block; undefined after the last one. */
  next(): Buffer | undefined {
    const start = this.#position
    const head = this.#read(start, blockHeaderSize)
    const length = readInt32(head, 0)
    if (length === 0) return this.#checkTrailer(start)
    const end = start + blockHeaderSize + length
    if (length < 0 || length % 8 !== 0 || end + trailerSize > this.#sizeBytes) {
      throw this.#fault(`a block of ${length} bytes cannot be`)
    }
    const entries = this.#read(start + blockHeaderSize, length)
    this.#crc = crc32c(entries, 0, length, this.#crc)
    if (this.#crc !== readUint32(head, 4)) throw this.#fault('checksum mismatch of a block')
    this.#position = end
    return entries
  }

  /**
   * After a block with the wrong checksum: goes on behind it, if its length and checksum can be the
   * right ones, so that later blocks can be read. They are of the same snapshot: every checksum
   * continues the one before. False when nothing more can be read.
   */
  skipBlock(): boolean {
    const head = Buffer.alloc(blockHeaderSize)
    if (this.#file.read(head, this.#position) < blockHeaderSize) return false
    const length = readInt32(head, 0)
    const end = this.#position + blockHeaderSize + length
    if (length <= 0 || length % 8 !== 0 || end + trailerSize > this.#sizeBytes) return false
    this.#crc = readUint32(head, 4)
    this.#position = end
    return true
  }

  /** Counts the entries of a block, which fill it exactly. */
  countEntries(count: number): void {
    this.#entryCount += count
  }

  /** Size of the entry at `at` of a block, checked against the block's end. */
  sizeAt(entries: Buffer, at: number): number {
    const keyLength = readUint32(entries, at)
    const valueLength = readUint32(entries, at + 4)
    const isPossible =
      keyLength <= maxKeyBytes && entryHeaderSize + keyLength + valueLength <= entries.length - at
    if (!isPossible) throw this.#fault(`an entry is longer than its block`)
    return entrySize(keyLength, valueLength)
  }

  close(): void {
    this.#file.close()
  }

  #checkTrailer(start: number): undefined {
    const trailer = this.#read(start, trailerSize)
    const isValid =
      start + trailerSize === this.#sizeBytes &&
      readUint32(trailer, 12) === crc32c(trailer, 4, 12, this.#crc) &&
      readInt64OrNaN(trailer, 4) === this.#entryCount
    if (!isValid) throw this.#fault('the end does not fit what came before')
    return undefined
  }

  #decodeHeader(bytes: Buffer): { header: SnapshotHeader; end: number } {
    const isOurs = bytes.length > codecsAt && bytes.subarray(0, magic.length).equals(magic)
    if (!isOurs) throw this.#fault('this is no table snapshot')
    const found = bytes.readInt16BE(versionAt)
    if (found !== version) throw this.#fault(`version is ${found}: expected ${version}`)
    const keyCodec = this.#readName(bytes, codecsAt)
    const valueCodec = this.#readName(bytes, codecsAt + 2 + keyCodec.length)
    const crcAt = codecsAt + 4 + keyCodec.length + valueCodec.length
    const offset = readInt64OrNaN(bytes, offsetAt)
    const isWhole =
      crcAt + 4 <= bytes.length && readUint32(bytes, crcAt) === crc32c(bytes, 0, crcAt)
    if (!isWhole || !(offset >= 0)) throw this.#fault('checksum mismatch of the header')
    return { header: { offset: offset as Offset, keyCodec, valueCodec }, end: crcAt + 4 }
  }

  #readName(bytes: Buffer, at: number): string {
    const length = at + 2 <= bytes.length ? bytes.readInt16BE(at) : -1
    if (length < 0 || length > maxCodecLength || at + 2 + length > bytes.length) {
      throw this.#fault('a codec name is not whole')
    }
    return bytes.toString('latin1', at + 2, at + 2 + length)
  }

  #read(position: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafeSlow(length)
    if (this.#file.read(bytes, position) < length) throw this.#fault('it ends too early')
    return bytes
  }

  #fault(reason: string): StoreFormatError {
    return new StoreFormatError({ path: this.#file.path, reason })
  }
}

function encodeHeader({ offset, keyCodec, valueCodec }: SnapshotHeader): Buffer {
  const bytes = Buffer.alloc(codecsAt + 4 + keyCodec.length + valueCodec.length + 4)
  magic.copy(bytes)
  bytes.writeInt16BE(version, versionAt)
  writeInt64(bytes, offsetAt, offset)
  let at = codecsAt
  for (const name of [keyCodec, valueCodec]) {
    bytes.writeInt16BE(name.length, at)
    bytes.write(name, at + 2, 'latin1')
    at += 2 + name.length
  }
  writeInt32(bytes, at, crc32c(bytes, 0, at))
  return bytes
}
