/** How soon a server that starts gives the first records. */
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fetchedPartitions, fetchRequest } from './fetch-frames.ts'

const retryMs = 2
const answerLimitMs = 1_000

/** Tries until partition 0 of the topic gives records. @throws after `limitMs`. */
export async function untilFetched(port: number, topic: string, limitMs: number): Promise<void> {
  const deadlineMs = performance.now() + limitMs
  while (performance.now() < deadlineMs) {
    if (await hasRecords(port, topic)) return
    await sleep(retryMs)
  }
  throw new Error(`no records of ${topic} within ${limitMs} ms`)
}

/** False too while nobody listens, or the server says that it is not ready. */
function hasRecords(port: number, topic: string): Promise<boolean> {
  const plan = { topic, partitions: 1, maxBytesPerPartition: 65_536 }
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const socket = connect({ host: '127.0.0.1', port })
    const end = (found: boolean) => {
      socket.destroy()
      resolve(found)
    }
    socket.setTimeout(answerLimitMs, () => end(false))
    socket.on('error', () => end(false)) // Nobody listens yet, or it hung up: it is tried again.
    socket.on('close', () => end(false))
    socket.on('connect', () => socket.write(fetchRequest(plan)))
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      const answer = Buffer.concat(chunks)
      if (answer.length < 4 || answer.length < answer.readInt32BE(0) + 4) return
      const [partition] = fetchedPartitions(answer)
      end(partition?.error === 0 && partition.recordBytes > 0)
    })
  })
}
