// One store, two doors: a Kafka client produces over TCP, the same process reads the same log.
import { Kafka, logLevel } from 'kafkajs'
import { openStore } from 'stratalog'
import { serve } from 'stratalog/server'

const store = await openStore('./data')
const server = await serve(store, { port: 0 }) // 0 = any free port

const kafka = new Kafka({ brokers: [server.address], logLevel: logLevel.ERROR })
const producer = kafka.producer()
await producer.connect()
const [answer] = await producer.send({
  topic: 'greetings',
  acks: -1, // answered when the records are on disk
  messages: [
    { key: 'en', value: 'hello' },
    { key: 'fr', value: 'bonjour' },
  ],
})
await producer.disconnect()

const greetings = await store.log('greetings')
for await (const { key, value } of greetings.read({ from: Number(answer?.baseOffset) })) {
  console.log(`${key}: ${value}`)
}

await server.close()
await store.close()
