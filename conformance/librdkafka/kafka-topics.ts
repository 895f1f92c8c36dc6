/**
 * What librdkafka's tests use of Kafka's kafka-topics.sh, by kafkajs: some create, grow and delete
 * topics with it.
 *
 *     --bootstrap-server <host:port>
 *     --create --topic <name> --partitions <n> --replication-factor <n> [--config <name>=<value>]…
 *     --alter --topic <name> --partitions <n>
 *     --delete --topic <name>
 */
import { parseArgs } from 'node:util'
import { Kafka, logLevel } from 'kafkajs'

const { values } = parseArgs({
  options: {
    'bootstrap-server': { type: 'string' },
    create: { type: 'boolean' },
    alter: { type: 'boolean' },
    delete: { type: 'boolean' },
    topic: { type: 'string' },
    partitions: { type: 'string' },
    'replication-factor': { type: 'string' },
    config: { type: 'string', multiple: true },
  },
})

const { topic = '', config = [], partitions } = values
const brokers = (values['bootstrap-server'] ?? '').split(',')
const count = Number(partitions)
const admin = new Kafka({ brokers, logLevel: logLevel.ERROR }).admin()
await admin.connect()
try {
  if (values.create === true) {
    const replicationFactor = Number(values['replication-factor'])
    const configEntries = config.map((entry) => {
      const [name = '', ...value] = entry.split('=')
      return { name, value: value.join('=') }
    })
    await admin.createTopics({
      topics: [{ topic, numPartitions: count, replicationFactor, configEntries }],
    })
  } else if (values.alter === true) {
    await admin.createPartitions({ topicPartitions: [{ topic, count }] })
  } else if (values.delete === true) await admin.deleteTopics({ topics: [topic] })
  else throw new Error('expected --create, --alter or --delete')
} finally {
  await admin.disconnect()
}
