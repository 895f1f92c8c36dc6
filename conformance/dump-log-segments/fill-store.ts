/** A data directory that the embedded log has written, with what servers do not do. */
import { openStore } from '../../src/public.ts'
import { codecNames } from '../../src/record/codec-name.ts'

const rounds = 60
const recordsPerBatch = 25

/** @returns records in each log. */
export async function fillStore(directory: string): Promise<Map<string, number>> {
  const store = await openStore(directory)
  const config = { 'segment.bytes': '8192', 'index.interval.bytes': '512' }
  const counts = new Map<string, number>()
  for (const codec of codecNames) {
    const name = `appended-${codec}`
    const compression = codec === 'none' ? 'uncompressed' : codec
    await store.createTopic(name, { config: { ...config, 'compression.type': compression } })
    const log = await store.log(name)
    for (let round = 0; round < rounds; round++) {
      await log.append(recordsOf(round))
    }
    log.trim(rounds)
    log.truncate(log.endOffset - recordsPerBatch - 1)
    await log.append(recordsOf(rounds))
  }
  await store.createTopic('grouped-a', { config })
  await store.createTopic('grouped-b', { config })
  const [a, b] = [await store.log('grouped-a'), await store.log('grouped-b')]
  for (let round = 0; round < rounds; round++) {
    await store.atomic((tx) => {
      for (const record of recordsOf(round)) tx.append(a, record)
      tx.append(b, recordsOf(round)[0]!)
    })
  }
  for (const { name } of store.topics()) {
    const log = await store.log(name)
    counts.set(`${name}-0`, log.endOffset - log.startOffset)
  }
  await store.close()
  return counts
}

function recordsOf(round: number) {
  return Array.from({ length: recordsPerBatch }, (_, index) => ({
    key: `${round}/${index}`,
    value: `value ${round}/${index} ${'.'.repeat(100)}`,
    headers: { round: String(round) },
  }))
}
