/** Everything a server has, as a client sees it: raw Fetch requests, every batch's CRC checked. */
import { RawClient, visitRecords } from '../../demo/raw-client.ts'
import type { FoundLog } from './log-model.ts'
import { idOf } from './numbered-value.ts'

export type TopicLayout = Readonly<Record<string, number>>

/**
 * @param faults  gets what is wrong beyond what a model can know: gaps, damaged values.
 * @param startOf where a log begins that was trimmed.
 */
export async function readServer(
  port: number,
  layout: TopicLayout,
  faults: string[],
  startOf: (log: string) => number = () => 0,
): Promise<Map<string, FoundLog>> {
  const logs = new Map<string, FoundLog>()
  const client = await RawClient.connect(port)
  try {
    for (const [topic, partitions] of Object.entries(layout)) {
      for (let partition = 0; partition < partitions; partition++) {
        const start = startOf(`${topic}-${partition}`)
        const found = await readLog(client, { topic, partition, start }, faults)
        logs.set(`${topic}-${partition}`, found)
      }
    }
  } finally {
    client.close()
  }
  return logs
}

async function readLog(
  client: RawClient,
  { topic, partition, start }: { topic: string; partition: number; start: number },
  faults: string[],
): Promise<FoundLog> {
  const ids: string[] = []
  for (let fetchOffset = start; ; ) {
    const [answer] = await client.fetch(topic, [{ partition, fetchOffset }], { maxWaitMs: 0 })
    const next = visitRecords(answer!.records, fetchOffset, (record) => {
      const due = start + ids.length
      if (record.offset !== due) {
        faults.push(`${topic}-${partition}: offset ${record.offset} follows ${due - 1}`)
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
      return { start, ids }
    }
    fetchOffset = next
  }
}
