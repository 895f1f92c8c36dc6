/** Tables on the simulated disk, without a store's defaults in the way. */
import { systemClock } from '../../src/base/clock.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import type { Store } from '../../src/store/store.ts'
import { Table } from '../../src/table/table.ts'
import type { CodecChoice, CodecValue } from '../../src/table/table-codec.ts'
import {
  checkTableSpec,
  type TableEnvironment,
  type TableSpec,
} from '../../src/table/table-settings.ts'
import { RecordingLogger } from './recording-logger.ts'

export type BareTable<Key, Value> = {
  readonly table: Table<Key, Value>
  readonly messages: () => string[]
}

/** A table in the log of topic `t`, whose segments are as small as the store's options say. */
export async function bareTable<const K extends CodecChoice, const V extends CodecChoice>(
  disk: SimFileSystem,
  store: Store,
  spec: TableSpec<K, V>,
): Promise<BareTable<CodecValue<K>, CodecValue<V>>> {
  const logger = new RecordingLogger()
  const env: TableEnvironment = {
    log: await store.log('t'),
    fileSystem: disk,
    clock: systemClock,
    logger,
    random: () => 0.5,
    level: () => 'disk',
  }
  const table = await Table.open<CodecValue<K>, CodecValue<V>>(env, checkTableSpec(spec))
  return { table, messages: () => logger.lines.map(({ message }) => message) }
}

/** Names of the table's snapshots. */
export function snapshotsOf(disk: SimFileSystem, table: { log: { directory: string } }): string[] {
  return disk.readDirectory(table.log.directory).filter((name) => name.endsWith('.table'))
}
