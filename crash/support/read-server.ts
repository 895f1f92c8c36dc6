/** Everything a server has, as a client sees it: raw Fetch requests, every batch's CRC checked. */
import { RawClient, visitRecords } from '../../demo/raw-client.ts'
import type { FoundLog } from './log-model.ts'
import { idOf } from './numbered-value.ts'

export type TopicLayout = Readonly<Record<string, number>>

/** @param faults gets what is wrong beyond what a model can know: gaps, damaged values. */
export async function readServer(
  port: number,
  layout: TopicLayout,
  faults: string[],
): Promise<Map<string, FoundLog>> {
  const logs = new Map<string, FoundLog>()
  const client = await RawClient.connect(port)
  try {
    for (const [topic, partitions] of Object.entries(layout)) {
      for (let partition = 0; partition < partitions; partition++) {
        logs.set(`${topic}-${partition}`, await readLog(client, topic, partition, faults))
      }
    }
  } finally {
    client.close()
  }
  return logs
}

async function readLog(
  client: RawClient,
  topic: string,
  partition: number,
  faults: string[],
): Promise<FoundLog> {
  const ids: string[] = []
  for (let fetchOffset = 0; ; ) {
    const [answer] = await client.fetch(topic, [{ partition, fetchOffset }], { maxWaitMs: 0 })
    const next = visitRecords(answer!.records, fetchOffset, (record) => {
      if (record.offset !== ids.length) {
        faults.push(`${topic}-${partition}: offset ${record.offset} follows ${ids.length - 1}`)
      }
      const value = String(record.value())
      const id = idOf(value)
      if (id === undefined) faults.push(`${topic}-${partition}: damaged ${value.slice(0, 80)}`)
      ids.push(id ?? 'damaged')
    })
    if (next >= answer!.highWatermark || next === fetchOffset) {
      if (next !== answer!.highWatermark) {
        faults.push(`${topic}-${partition}: reading ended at ${next} of ${answer!.highWatermark}`)
      }
      return { start: 0, ids }
    }
    fetchOffset = next
  }
}
