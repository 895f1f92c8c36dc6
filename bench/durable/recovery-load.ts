/**
 * The store that is killed, and the one that opens it. The writer appends batches of 64 records of
 * 1 KiB to eight logs at once, every 16th of a log at level `disk`, the others at `os`, and says
 * after each acknowledgement how far the logs have come: all of that must be there after a kill.
 */
import { type Log, openStore } from '../../src/public.ts'
import { seededValues } from '../support/seeded.ts'

/** Log name → end offset that was acknowledged. */
export type AckedEnds = Readonly<Record<string, number>>
export type WriteProgress = { readonly writtenBytes: number; readonly ends: AckedEnds }

export type RecoveryMeasures = {
  /** Bytes of log the writer was acknowledged before it was killed. */
  writtenBytes: number
  /** What recovery says it had to look at: bytes past the last checkpoint. */
  uncheckpointedBytes: number
  /** From the call of openStore, in ms: it resolved; first append acknowledged; first read. */
  openMs: number
  firstAppendMs: number
  firstReadMs: number
  /** The same call until each log has acknowledged an append. */
  everyLogMs: number
}

const logCount = 8
const batchRecords = 64
const valueBytes = 1024
const diskEvery = 16
const reportEveryBytes = 16 << 20

/** Appends until `report` returns false, or the process is killed. Leaves the store open. */
export async function writeUnderLoad(
  directory: string,
  report: (progress: WriteProgress) => boolean,
): Promise<() => Promise<void>> {
  const values = seededValues(batchRecords, valueBytes, 1)
  const store = await openStore(directory)
  const logs = await Promise.all(logNames().map((name) => store.log(name)))
  const ends: Record<string, number> = {}
  let writtenBytes = 0
  let reportedBytes = 0
  let isGoing = true
  await Promise.all(
    logs.map(async (log, i) => {
      for (let batch = 1; isGoing; batch++) {
        const level = batch % diskEvery === 0 ? 'disk' : 'os'
        const ack = await log.append(values, { level })
        ends[logNames()[i]!] = ack.offset + batchRecords
        writtenBytes += batchRecords * valueBytes
        if (isGoing && writtenBytes - reportedBytes >= reportEveryBytes) {
          reportedBytes = writtenBytes
          isGoing = report({ writtenBytes, ends })
        }
      }
    }),
  )
  return () => store.close()
}

/** Opens what was killed. Throws when anything that was acknowledged is missing. */
export async function measureRecovery(
  directory: string,
  acked: WriteProgress,
): Promise<RecoveryMeasures> {
  const value = seededValues(1, valueBytes, 2)[0]!
  let uncheckpointedBytes = 0
  const start = performance.now()
  const sinceStart = () => performance.now() - start
  const store = await openStore(directory, {
    onRecovery({ totalBytes }) {
      uncheckpointedBytes = Math.max(uncheckpointedBytes, totalBytes)
    },
  })
  const openMs = sinceStart()
  const names = logNames()
  const first = await store.log(names[0]!)
  const endAtFirst = first.endOffset
  await first.append({ value }, { level: 'os' })
  const firstAppendMs = sinceStart()
  // Another log than the one appended to, and its last record: it must have been recovered too.
  const last = await store.log(names.at(-1)!)
  readLast(last)
  const firstReadMs = sinceStart()

  const logs = await Promise.all(names.map((name) => store.log(name)))
  const ends = logs.map((log, i) => (i === 0 ? endAtFirst : log.endOffset))
  await Promise.all(logs.map((log) => log.append({ value }, { level: 'os' })))
  const everyLogMs = sinceStart()
  for (const [i, name] of names.entries()) {
    const end = acked.ends[name] ?? 0
    if (ends[i]! < end) throw new Error(`${name} ends at ${ends[i]}: ${end} was acknowledged`)
  }
  await store.close()
  const { writtenBytes } = acked
  return { writtenBytes, uncheckpointedBytes, openMs, firstAppendMs, firstReadMs, everyLogMs }
}

function readLast(log: Log): void {
  const cursor = log.cursor({ from: log.endOffset - 1 })
  if (!cursor.next() || cursor.valueEnd - cursor.valueStart !== valueBytes) {
    throw new Error('the last record was not read')
  }
}

function logNames(): string[] {
  return Array.from({ length: logCount }, (_, i) => `killed-${i}`)
}
