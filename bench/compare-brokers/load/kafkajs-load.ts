/**
 * A few records by kafkajs, so that `npm test` can run the workloads without installing anything. It
 * could not keep a server busy: no figure of it is kept.
 */
import kafkajs, { type Kafka } from 'kafkajs'
import { createKafkaTopic, deleteKafkaTopic } from './kafka-topics.ts'
import type { ConsumePlan, LoadResult, LoadTool, ProducePlan, TopicPlan } from './load-tool.ts'

export class KafkajsLoad implements LoadTool {
  readonly name = 'kafkajs'
  readonly #address: string

  constructor(address: string) {
    this.#address = address
  }

  createTopic(plan: TopicPlan): Promise<void> {
    return createKafkaTopic(this.#address, plan)
  }

  deleteTopic(topic: string): Promise<void> {
    return deleteKafkaTopic(this.#address, topic)
  }

  async produce({ topic, records, valueBytes, acks }: ProducePlan): Promise<LoadResult> {
    const producer = this.#kafka().producer()
    await producer.connect()
    const value = Buffer.alloc(valueBytes, 'x')
    const started = performance.now()
    await producer.send({
      topic,
      acks,
      messages: Array.from({ length: records }, () => ({ value })),
    })
    const ms = performance.now() - started
    await producer.disconnect()
    const latenciesMs = new Float64Array(records).fill(ms)
    return { records, bytes: records * valueBytes, seconds: ms / 1000, latenciesMs }
  }

  async consume({ topic, records }: ConsumePlan): Promise<LoadResult> {
    const consumer = this.#kafka().consumer({ groupId: 'bench' })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    const started = performance.now()
    let [count, bytes] = [0, 0]
    await new Promise<void>((resolve, reject) => {
      const eachMessage = async ({ message }: { message: { value: Buffer | null } }) => {
        bytes += message.value?.length ?? 0
        if (++count >= records) resolve()
      }
      consumer.run({ eachMessage }).catch(reject)
    })
    const seconds = (performance.now() - started) / 1000
    await consumer.disconnect()
    return { records: count, bytes, seconds }
  }

  #kafka(): Kafka {
    return new kafkajs.Kafka({ brokers: [this.#address], logLevel: kafkajs.logLevel.ERROR })
  }
}
