/**
 * The server killed (SIGKILL) in the middle of a produce run, again and again. Goal: whatever was
 * acknowledged with acks=all is there after every restart, offsets are dense, and an idempotent
 * producer that outlives the server neither loses nor repeats a record. Method: numbered records;
 * the producer notes each acknowledgement, the kill comes after a number of them.
 */
import kafkajs, { type Kafka, type Producer } from 'kafkajs'
import { describe, expect, it } from 'vitest'
import { openStore } from '../../src/public.ts'
import { ServerProcess } from '../support/server-process.ts'
import { withTemporaryDirectory } from '../support/temporary-directory.ts'

const cycles = 4
const acksBeforeKill = 100
const recordsPerSend = 20
const loopCount = 8
const topic = 'killed'

describe('a server killed while a client produces', () => {
  it(`keeps every acknowledged record over ${cycles} kills`, async () => {
    await withTemporaryDirectory(async (directory) => {
      const acked = new Map<string, number>()
      for (let cycle = 0; cycle < cycles; cycle++) {
        const server = await ServerProcess.start(directory)
        const producer = clientOf(server, 0).producer()
        await producer.connect()
        await produceUntilKilled(producer, server, `cycle ${cycle}`, acked)
        await producer.disconnect()
        await expectAll(directory, acked)
      }
      // Nothing was lost to the checks themselves: they opened the directory and closed it cleanly.
      const server = await ServerProcess.start(directory)
      expect(await server.stop()).toBe(0)
      expect(acked.size).toBeGreaterThanOrEqual(cycles * acksBeforeKill * recordsPerSend)
    })
  })

  it('keeps one copy of each record of an idempotent producer that outlives it', async () => {
    await withTemporaryDirectory(async (directory) => {
      let server = await ServerProcess.start(directory)
      const producer = clientOf(server, 20).producer({ idempotent: true, maxInFlightRequests: 1 })
      await producer.connect()
      const sent: string[] = []
      for (let i = 0; i < 60; i++) {
        const values = Array.from({ length: recordsPerSend }, (_, n) => `${i}/${n}`)
        const sending = producer.send({ topic, messages: values.map((value) => ({ value })) })
        sent.push(...values)
        if (i % 20 === 10) {
          await server.kill()
          server = await ServerProcess.start(directory, server.port)
        }
        await sending
      }
      await producer.disconnect()
      expect(await server.stop()).toBe(0)
      expect(await valuesIn(directory)).toEqual(sent)
    })
  })
})

function clientOf(server: ServerProcess, retries: number): Kafka {
  return new kafkajs.Kafka({
    brokers: [server.address],
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { retries, initialRetryTime: 50, maxRetryTime: 200 },
  })
}

/**
 * Sends from several loops at once until the server is gone; notes what was acknowledged, by value,
 * and where. The kill follows an acknowledgement, with the other loops' requests wherever they are.
 */
async function produceUntilKilled(
  producer: Producer,
  server: ServerProcess,
  name: string,
  acked: Map<string, number>,
): Promise<void> {
  let killed: Promise<void> | undefined
  let ackCount = 0
  let failureCount = 0
  const loop = async (loopName: string) => {
    for (let i = 0; ; i++) {
      const values = Array.from({ length: recordsPerSend }, (_, n) => `${loopName}: ${i}/${n}`)
      const messages = values.map((value) => ({ value }))
      try {
        const [answer] = await producer.send({ topic, acks: -1, messages })
        values.forEach((value, n) => {
          acked.set(value, Number(answer?.baseOffset) + n)
        })
        if (++ackCount === acksBeforeKill) killed = server.kill()
      } catch (error) {
        if (killed === undefined) throw error
        failureCount++
        return
      }
    }
  }
  await Promise.all(Array.from({ length: loopCount }, (_, n) => loop(`${name}, loop ${n}`)))
  await killed
  expect(failureCount).toBe(loopCount)
}

async function expectAll(directory: string, acked: ReadonlyMap<string, number>): Promise<void> {
  const values = await valuesIn(directory)
  const lost = [...acked].filter(([value, offset]) => values[offset] !== value)
  expect(lost).toEqual([])
}

/** Values of the topic by offset, after recovery; offsets must be dense. */
async function valuesIn(directory: string): Promise<string[]> {
  const store = await openStore(directory)
  try {
    const values: string[] = []
    for await (const record of (await store.log(topic)).read()) {
      expect(record.offset).toBe(values.length)
      values.push(String(record.value))
    }
    return values
  } finally {
    await store.close()
  }
}
