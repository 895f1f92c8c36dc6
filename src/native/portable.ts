/**
 * The binding in plain TypeScript, for machines where the addon cannot be built or loaded. Same
 * results and the same errors as the addon (one contract suite); slower, and with these
 * differences that no caller may lean on:
 *
 * - a mapping is a copy of the file as it was when mapped, in memory of this process;
 * - `sendFile` copies through this process with `SendTarget.write`;
 * - `scanRecords` leaves all records to those above;
 * - `isCached` cannot tell, and says so with true;
 * - `reserve` cannot reserve and returns false;
 * - `writeDurable` goes through the page cache, `writeDurableLater` cannot and returns undefined, and
 *   `pageOffset` is 0;
 * - `duplicate` and `tryLock` cannot, and return undefined; `limitSendBuffer` does nothing.
 */
import * as fs from 'node:fs'
import type {
  MapAdvice,
  NativeBinding,
  SendFileDone,
  SendFileTransfer,
  SendTarget,
} from './binding.ts'
import { CopyTransfer } from './copy-transfer.ts'
import { portableCrc32c } from './portable-crc32c.ts'
import { rangeError, systemError, typeError } from './system-error.ts'

/** Regions handed out and not unmapped yet: what `unmap`, `advise` and `syncMap` accept. */
const liveRegions = new WeakSet<ArrayBuffer>()

export const portableBinding: NativeBinding = {
  kind: 'portable',
  crc32c: checkedCrc32c,
  scanRecords,
  map,
  unmap,
  advise,
  syncMap,
  sendFile,
  isCached,
  reserve,
  writeDurable,
  writeDurableLater,
  finishDurableWrites,
  pageOffset,
  fdatasync,
  fdatasyncSync: fs.fdatasyncSync,
  syncDirectory,
  syncDirectorySync,
  syncsTogether: false,
  syncMany,
  duplicate: () => undefined,
  limitSendBuffer: () => {},
  tryLock: () => undefined,
}

function checkedCrc32c(bytes: Uint8Array, start: number, end: number, seed = 0): number {
  if (!(start >= 0 && start <= end && end <= bytes.length)) throw rangeError('bytes')
  return portableCrc32c(bytes, start, end, seed)
}

function scanRecords(
  bytes: Uint8Array,
  start: number,
  end: number,
  count: number,
  facts: Float64Array,
): boolean {
  if (!(bytes instanceof Uint8Array)) throw typeError('bytes')
  if (!(facts instanceof Float64Array && facts.length >= 3)) throw typeError('facts')
  if (!(start >= 0 && start <= end && end <= bytes.length)) throw rangeError('start or end')
  if (!(count >= 1 && count <= 0x7fff_ffff)) throw rangeError('count')
  return false
}

function map(fd: number, length: number): ArrayBuffer {
  if (!(Number.isSafeInteger(length) && length > 0)) throw rangeError('length')
  if (length > fs.fstatSync(fd).size) throw systemError('EINVAL', 'mmap')
  const region = new ArrayBuffer(length)
  const target = new Uint8Array(region)
  for (let filled = 0; filled < length; ) {
    const count = fs.readSync(fd, target, filled, length - filled, filled)
    if (count === 0) throw systemError('EINVAL', 'mmap')
    filled += count
  }
  liveRegions.add(region)
  return region
}

function unmap(region: ArrayBuffer): void {
  if (!(region instanceof ArrayBuffer)) throw typeError('region')
  if (!liveRegions.delete(region)) return
  // Transferring leaves `region` and all of its views with length 0; the clone is garbage at once.
  structuredClone(region, { transfer: [region] })
}

function advise(region: ArrayBuffer, position: number, length: number, _: MapAdvice): void {
  if (!liveRegions.has(region)) throw systemError('EINVAL', 'madvise')
  if (!(position >= 0 && length >= 0 && position + length <= region.byteLength)) {
    throw rangeError('position')
  }
}

function syncMap(region: ArrayBuffer): void {
  if (!liveRegions.has(region)) throw systemError('EINVAL', 'msync')
}

function sendFile(
  target: SendTarget,
  fd: number,
  position: number,
  length: number,
  done: SendFileDone,
): SendFileTransfer {
  if (!(Number.isSafeInteger(position) && position >= 0)) throw rangeError('position')
  if (!(Number.isSafeInteger(length) && length >= 0)) throw rangeError('length')
  if (typeof done !== 'function') throw typeError('done')
  const read = (chunk: Uint8Array, at: number) => fs.readSync(fd, chunk, 0, chunk.length, at)
  return new CopyTransfer(target, read, position, length, done)
}

function isCached(fd: number, position: number, length: number): boolean {
  if (!(Number.isSafeInteger(fd) && fd >= 0)) throw rangeError('fd')
  if (!(Number.isSafeInteger(position) && position >= 0)) throw rangeError('position')
  if (!(Number.isSafeInteger(length) && length > 0)) throw rangeError('length')
  return true
}

function reserve(fd: number, position: number, length: number): boolean {
  if (!(Number.isSafeInteger(position) && position >= 0)) throw rangeError('position')
  if (!(Number.isSafeInteger(length) && length > 0)) throw rangeError('length')
  fs.fstatSync(fd) // Throws where there is no such descriptor, as the addon does.
  return false
}

function writeDurable(fd: number, directFd: number, bytes: Uint8Array, position: number): void {
  if (!(Number.isSafeInteger(directFd) && directFd >= -1)) throw rangeError('directFd')
  if (!(bytes instanceof Uint8Array)) throw typeError('bytes')
  if (!(Number.isSafeInteger(position) && position >= 0)) throw rangeError('position')
  let at = 0
  while (at < bytes.length) at += fs.writeSync(fd, bytes, at, bytes.length - at, position + at)
  fs.fdatasyncSync(fd)
}

function writeDurableLater(directFd: number, bytes: Uint8Array, position: number): undefined {
  if (!(Number.isSafeInteger(directFd) && directFd >= 0)) throw rangeError('directFd')
  if (!(bytes instanceof Uint8Array)) throw typeError('bytes')
  if (!(Number.isSafeInteger(position) && position >= 0)) throw rangeError('position')
  return undefined
}

function finishDurableWrites(directFd: number): number {
  if (!(Number.isSafeInteger(directFd) && directFd >= 0)) throw rangeError('directFd')
  return 0
}

function pageOffset(bytes: Uint8Array): number {
  if (!(bytes instanceof Uint8Array)) throw typeError('bytes')
  return 0
}

function fdatasync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.fdatasync(fd, (error) => (error ? reject(error) : resolve()))
  })
}

const directoryFlags = fs.constants.O_RDONLY | (fs.constants.O_DIRECTORY ?? 0)

function syncMany(
  fds: readonly number[],
  directories: readonly string[],
): Promise<(Error | undefined)[]> {
  const areNumbers = Array.isArray(fds) && fds.every((fd) => typeof fd === 'number')
  if (!areNumbers) throw typeError('fds')
  if (fds.some((fd) => fd < 0)) throw rangeError('fds')
  const areTexts =
    Array.isArray(directories) && directories.every((path) => typeof path === 'string')
  if (!areTexts) throw typeError('directories')
  return outcomes([...fds.map(fdatasync), ...directories.map(syncDirectory)])
}

async function outcomes(work: readonly Promise<void>[]): Promise<(Error | undefined)[]> {
  const results = await Promise.allSettled(work)
  return results.map((result) => (result.status === 'rejected' ? result.reason : undefined))
}

async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const directory = await fs.promises.open(path, directoryFlags)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function syncDirectorySync(path: string): void {
  if (process.platform === 'win32') return
  const fd = fs.openSync(path, directoryFlags)
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}
