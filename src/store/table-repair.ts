/** Makes a table that lost its snapshot one that opens, with what can still be read. */
import { drain } from '../base/steps.ts'
import type { Offset } from '../base/types.ts'
import { gibibyte } from '../base/units.ts'
import type { FileSystem } from '../platform/file-system.ts'
import { RecordCursor } from '../record/record-cursor.ts'
import { TableEntries } from '../table/table-entries.ts'
import { SnapshotWriter } from '../table/table-snapshot.ts'
import { finalEnd, type ScrubbedLog, scrubLog } from './log-scrub.ts'
import { salvageSnapshot } from './table-scrub.ts'
import type { TableCodecs } from './topic.ts'

/**
 * Writes a snapshot at the end of a table's log: what can be read of the newest one, and the changes
 * that are in the log. Durable on resolve.
 *
 * @param codecs what the store's table says; a snapshot's own header counts more.
 */
export async function rewriteTable(
  fileSystem: FileSystem,
  log: ScrubbedLog,
  codecs: TableCodecs | undefined,
): Promise<void> {
  const entries = new TableEntries({ name: log.name, maxBytes: 32 * gibibyte, seed: 1 })
  const put = (key: Buffer, value: Buffer | null) => entries.settle([entries.stage(key, value)])
  const salvaged = salvageSnapshot(fileSystem, log.directory)
  for (const [key, value] of salvaged?.entries ?? []) put(key, value)
  const records = new RecordCursor()
  const scrubbed = drain(
    scrubLog(fileSystem, { ...log, recoveryPoint: undefined }, (batch) => {
      if (batch.lastOffset < (salvaged?.offset ?? 0)) return
      records.open(batch.bytes, batch.position)
      while (records.next()) {
        const key = records.key()
        if (key !== null) put(key, records.value())
      }
    }),
  )
  const offset = Math.max(finalEnd(log), scrubbed.endOffset) as Offset
  const names = salvaged?.header ?? {
    keyCodec: codecs?.key ?? 'bytes',
    valueCodec: codecs?.value ?? 'bytes',
  }
  const { keyCodec, valueCodec } = names
  const writer = new SnapshotWriter(fileSystem, log.directory, { offset, keyCodec, valueCodec })
  for (const chunk of entries.beginScan()) writer.add(chunk)
  await writer.finish()
}
