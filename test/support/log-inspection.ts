/** Stores on a simulated disk, and what can be seen of their logs from outside. */
import { expect } from 'vitest'
import type { Log } from '../../src/log/log.ts'
import { SimCrash } from '../../src/platform/sim-failure.ts'
import { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { BatchBuilder, type ProducerFields } from '../../src/record/batch-builder.ts'
import type { Segment } from '../../src/segment/segment.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import type { StoreOptions } from '../../src/store/store-options.ts'

export const dataPath = '/data'

/** Segments and index intervals so small that a handful of records crosses all borders. */
export const smallSegments: Readonly<Record<string, string>> = {
  'segment.bytes': '1024',
  'index.interval.bytes': '150',
}

export function simDisk(seed = 1, capacityBytes?: number): SimFileSystem {
  const capacity = capacityBytes === undefined ? {} : { capacityBytes }
  return new SimFileSystem({ seed, directories: [dataPath], ...capacity })
}

export function openOn(disk: SimFileSystem, options: StoreOptions = {}): Promise<Store> {
  return openStore(dataPath, {
    fileSystem: disk,
    config: smallSegments,
    // So small that it fills, turns and is written back all the time.
    journalBytes: 64 * 1024,
    ...options,
  })
}

export type SeenRecord = { readonly offset: number; readonly value: string }

/** Every record of a log, by cursor. */
export function recordsIn(log: Log): SeenRecord[] {
  const found: SeenRecord[] = []
  const cursor = log.cursor()
  while (cursor.next()) found.push({ offset: cursor.offset, value: String(cursor.value()) })
  return found
}

export function valuesIn(log: Log): string[] {
  return recordsIn(log).map(({ value }) => value)
}

/** Offsets from the log start to the log end, without a hole. */
export function expectDense(log: Log): void {
  const offsets = recordsIn(log).map(({ offset }) => offset)
  const wanted = Array.from(
    { length: log.endOffset - log.startOffset },
    (_, i) => log.startOffset + i,
  )
  expect(offsets).toEqual(wanted)
}

type ScannedBatch = { position: number; baseOffset: number; lastOffset: number; maxTime: number }

export function scanSegment(segment: Segment): ScannedBatch[] {
  const found: ScannedBatch[] = []
  const scanner = segment.scan('whole')
  for (let step = scanner.next(); step !== 'end'; step = scanner.next()) {
    expect(step).toBe('batch')
    const { view } = scanner
    expect(view.hasValidCrc()).toBe(true)
    found.push({
      position: scanner.position,
      baseOffset: view.baseOffset,
      lastOffset: view.lastOffset,
      maxTime: view.maxTimestamp,
    })
  }
  return found
}

/** Looking up by index finds for every offset and time what a scan of the file finds. */
export function expectIndexesEqualScan(log: Log): void {
  for (const segment of log.segments) {
    const batches = scanSegment(segment)
    let maxTime = -1
    for (const { position, baseOffset, lastOffset, maxTime: time } of batches) {
      for (const offset of [baseOffset, lastOffset]) {
        expect(segment.locate(offset as never)?.position).toBe(position)
      }
      const timed = batches.find((batch) => batch.maxTime >= time)
      const found = segment.locateTimestamp(time, segment.baseOffset)
      expect(found?.position).toBe(timed?.position)
      maxTime = Math.max(maxTime, time)
    }
    expect(segment.maxTimestamp).toBe(maxTime)
  }
}

/** One batch as a client would send it. */
export function clientBatch(
  values: readonly string[],
  options: { producer?: ProducerFields; timestamps?: readonly number[]; codec?: 'lz4' } = {},
): Buffer {
  const builder = new BatchBuilder({ codec: options.codec ?? 'none' })
  values.forEach((value, i) => {
    builder.add({ value, timestamp: options.timestamps?.[i] ?? Date.now() }, 0)
  })
  if (options.producer !== undefined) builder.setProducer(options.producer)
  return Buffer.from(builder.finish())
}

export function appendClient(log: Log, batch: Buffer) {
  const copy = Buffer.from(batch)
  return log.appendBatch(copy, 0, copy.length, { allowZstd: true })
}

/** The simulated machine stopped, which no caller can do anything about. */
export function isSimCrash(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof SimCrash) return true
  }
  return false
}
