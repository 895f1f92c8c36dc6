/** Topics of any server that speaks Kafka's protocol. */
import kafkajs, { type Admin } from 'kafkajs'
import type { TopicPlan } from './load-tool.ts'

export async function createKafkaTopic(address: string, plan: TopicPlan): Promise<void> {
  const configEntries = plan.isSynced ? [{ name: 'flush.messages', value: '1' }] : []
  await asAdmin(address, async (admin) => {
    const topics = [{ topic: plan.topic, numPartitions: plan.partitions, configEntries }]
    await admin.createTopics({ topics, waitForLeaders: true })
  })
}

export async function deleteKafkaTopic(address: string, topic: string): Promise<void> {
  await asAdmin(address, (admin) => admin.deleteTopics({ topics: [topic] }))
}

async function asAdmin(address: string, work: (admin: Admin) => Promise<unknown>): Promise<void> {
  const { Kafka, logLevel } = kafkajs
  const admin = new Kafka({ brokers: [address], logLevel: logLevel.ERROR }).admin()
  await admin.connect()
  try {
    await work(admin)
  } finally {
    await admin.disconnect()
  }
}
