// A Kafka-like broker on the kernel: a topic is a log for each partition, the positions of a group are
// keys of a table, and a step that reads, writes and commits is one atomic group. See docs/backend.md.
import { type LogStorage, openStore } from 'stratalog'

type Message = { partition: number; offset: number; key: string; value: string }

const storage: LogStorage = await openStore('./data')
const orders = await Promise.all([0, 1, 2].map((partition) => storage.log(`orders.${partition}`)))
const invoices = await storage.log('invoices')
const positions = await storage.table('positions', { key: 'bytes', value: 'bytes' })

/** The same key goes to the same partition. `all` waits for the disk, 1 for the kernel. */
async function produce(key: string, value: string, acks: 1 | 'all'): Promise<void> {
  const hash = [...Buffer.from(key)].reduce((sum, byte) => sum * 31 + byte, 0)
  await orders[hash % orders.length]?.append({ key, value }, { level: acks === 1 ? 'os' : 'disk' })
}

function positionKey(group: string, partition: number): Buffer {
  return Buffer.from(`${group}/orders/${partition}`)
}

/** What the group has not committed, in order within each partition. */
async function* poll(group: string): AsyncGenerator<Message> {
  for (const [partition, log] of orders.entries()) {
    const committed = positions.get(positionKey(group, partition))
    // Retention may have trimmed what the group had not read yet.
    const from = Math.max(log.startOffset, Number(committed?.readBigUInt64BE() ?? 0))
    for await (const { offset, key, value } of log.read({ from })) {
      yield { partition, offset, key: String(key), value: String(value) }
    }
  }
}

/** Writes the invoice and commits the position after the order: both or neither, also in a crash. */
async function bill(group: string, order: Message): Promise<void> {
  const next = Buffer.alloc(8)
  next.writeBigUInt64BE(BigInt(order.offset + 1))
  await storage.atomic((tx) => {
    tx.append(invoices, { key: order.key, value: `1 × ${order.value}` })
    tx.put(positions, positionKey(group, order.partition), next)
  })
}

for (const item of ['tea', 'milk', 'cups']) await produce('o-17', item, 'all')
await produce('o-18', 'tea', 1)
const before = invoices.endOffset
for await (const order of poll('billing')) await bill('billing', order)
for await (const { key, value } of invoices.read({ from: before })) console.log(`${key}: ${value}`)
let count = 0
for await (const _ of poll('billing')) count++
console.log(`${count} orders left to bill`)
await storage.close()
