/** Topics of any server that speaks Kafka's protocol. */
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs, { type Admin } from 'kafkajs'
import type { TopicPlan } from './load-tool.ts'

const leadersLimitMs = 60_000
const retryMs = 20

export async function createKafkaTopic(address: string, plan: TopicPlan): Promise<void> {
  const configEntries = plan.isSynced ? [{ name: 'flush.messages', value: '1' }] : []
  await asAdmin(address, async (admin) => {
    const topics = [{ topic: plan.topic, numPartitions: plan.partitions, configEntries }]
    await admin.createTopics({ topics, waitForLeaders: false })
    const deadlineMs = performance.now() + leadersLimitMs
    while (!(await hasLeaders(admin, plan))) {
      if (performance.now() > deadlineMs) throw new Error(`${plan.topic} has no leaders`)
      await sleep(retryMs)
    }
  })
}

/** False too while the broker has not heard of the topic: a controller tells it after its answer. */
async function hasLeaders(admin: Admin, { topic, partitions }: TopicPlan): Promise<boolean> {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    const led = topics[0]!.partitions.filter(({ leader }) => leader >= 0)
    return led.length === partitions
  } catch (error) {
    if ((error as { type?: string }).type === 'UNKNOWN_TOPIC_OR_PARTITION') return false
    throw error
  }
}

export async function deleteKafkaTopic(address: string, topic: string): Promise<void> {
  await asAdmin(address, (admin) => admin.deleteTopics({ topics: [topic] }))
}

async function asAdmin(address: string, work: (admin: Admin) => Promise<unknown>): Promise<void> {
  const { Kafka, logLevel } = kafkajs
  const admin = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    await work(admin)
  } finally {
    await admin.disconnect()
  }
}
