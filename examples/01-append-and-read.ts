// The embedded log in five lines: append a record durably, and read it back.
import { openStore } from 'stratalog'

const store = await openStore('./data') // locks the directory and recovers it
const orders = await store.log('orders') // topic "orders", partition 0, created on demand
const ack = await orders.append({ key: 'o-17', value: JSON.stringify({ item: 'tea', count: 2 }) })
for await (const { offset, key, value } of orders.read({ from: ack.offset })) {
  console.log(`offset ${offset}, level ${ack.level}: ${key} = ${value}`)
}
await store.close()
