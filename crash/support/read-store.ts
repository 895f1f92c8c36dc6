import type { Log, Store } from '../../src/public.ts'
import type { FoundLog } from './log-model.ts'
import { idOf } from './numbered-value.ts'
import type { FoundStore } from './store-model.ts'

const lookupsPerLog = 5

/**
 * Everything a store holds, by what its values say they are. Offsets and values are checked on the
 * way, and the indexes by a few reads in the middle; what is wrong goes to `onFault`.
 */
export async function readStore(
  store: Store,
  onFault: (fault: string) => void,
): Promise<FoundStore> {
  const topics = new Set<string>()
  const logs = new Map<string, FoundLog>()
  for (const topic of store.topics()) {
    topics.add(topic.name)
    for (let partition = 0; partition < topic.partitionCount; partition++) {
      const log = topic.log(partition)
      const found = readLog(log, onFault)
      logs.set(log.name, found)
      await lookUp(log, found, onFault)
    }
  }
  return { topics, logs }
}

function readLog(log: Log, onFault: (fault: string) => void): FoundLog {
  const start = log.startOffset as number
  const ids: string[] = []
  const cursor = log.cursor()
  while (cursor.next()) {
    const due = start + ids.length
    if (cursor.offset !== due) {
      onFault(`${log.name}: found offset ${cursor.offset} where ${due} was due`)
      return { start, ids }
    }
    const value = String(cursor.value())
    const id = idOf(value)
    if (id === undefined) {
      onFault(`${log.name}: offset ${due} holds no value ever sent: ${value.slice(0, 80)}`)
    }
    ids.push(id ?? 'damaged')
  }
  if (cursor.nextOffset !== log.endOffset || start + ids.length !== log.endOffset) {
    onFault(`${log.name}: reading ended at ${cursor.nextOffset}, not ${log.endOffset}`)
  }
  return { start, ids }
}

/** Some offsets found through the index must hold what the walk from the start found. */
async function lookUp(
  log: Log,
  { start, ids }: FoundLog,
  onFault: (fault: string) => void,
): Promise<void> {
  for (let n = 0; n < lookupsPerLog && ids.length > 0; n++) {
    const i = Math.floor(((n + 0.5) / lookupsPerLog) * ids.length)
    const offset = start + i
    for await (const record of log.read({ from: offset, to: offset + 1 })) {
      const id = idOf(String(record.value))
      if (record.offset !== offset || id !== ids[i]) {
        onFault(`${log.name}: offset ${offset} gave ${id} at ${record.offset}, not ${ids[i]}`)
      }
    }
  }
}
