// A RocketMQ-like broker on the kernel: one CommitLog takes the messages of all topics, and a
// ConsumeQueue for each of their queues holds pointers of 16 bytes into it. A dispatcher derives the
// queues; its position moves in the same atomic group as the pointers. See docs/backend.md.
import { type LogStorage, openStore, type StorageLog } from 'stratalog'

const storage: LogStorage = await openStore('./data')
const commitLog = await storage.log('commit-log')
const state = await storage.table('dispatcher', { key: 'bytes', value: 'bytes' })
const dispatched = Buffer.from('dispatched')
const atOnce = 500

/** One append, whatever the number of queues. SYNC waits for the disk, ASYNC for the kernel. */
async function send(queue: string, tag: string, body: string, flush: 'SYNC' | 'ASYNC') {
  const level = flush === 'SYNC' ? 'disk' : 'os'
  await commitLog.append({ key: queue, value: body, headers: { tag } }, { level })
}

function consumeQueue(queue: string): Promise<StorageLog> {
  return storage.log(`consume-queue.${queue}`)
}

function uint64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

function hashOf(tag: string): Buffer {
  let hash = 0n
  for (const byte of Buffer.from(tag)) hash = BigInt.asUintN(64, hash * 31n + BigInt(byte))
  return uint64(hash)
}

/** Points the queues at what is new. After a crash it goes on where it was: no pointer twice. */
async function dispatch(): Promise<void> {
  for (;;) {
    const held = state.get(dispatched)
    const from = Number(held?.readBigUInt64BE() ?? 0)
    const to = Math.min(from + atOnce, commitLog.endOffset)
    if (from >= to) return
    const pointers: [StorageLog, Buffer][] = []
    for await (const { offset, key, headers } of commitLog.read({ from, to })) {
      const pointer = Buffer.concat([uint64(offset), hashOf(String(headers[0]?.value))])
      pointers.push([await consumeQueue(String(key)), pointer])
    }
    await storage.atomic((tx) => {
      for (const [queue, pointer] of pointers) tx.append(queue, pointer)
      tx.put(state, dispatched, uint64(to), { expect: held })
    })
  }
}

/** Messages with the tag; the others are passed over by their pointers, without being read. */
async function* pull(queue: StorageLog, from: number, tag: string): AsyncGenerator<string> {
  const wanted = hashOf(tag)
  for await (const { value: pointer } of queue.read({ from })) {
    if (pointer?.subarray(8).equals(wanted) !== true) continue
    const offset = Number(pointer.readBigUInt64BE())
    for await (const { value } of commitLog.read({ from: offset, to: offset + 1 })) {
      yield String(value)
    }
  }
}

const orders = await consumeQueue('orders.0')
const before = orders.endOffset
await send('orders.0', 'new', 'order 1', 'ASYNC')
await send('payments.0', 'paid', 'payment 1', 'ASYNC')
await send('orders.0', 'cancelled', 'order 1', 'ASYNC')
await send('orders.0', 'new', 'order 2', 'SYNC')
await dispatch()
for await (const body of pull(orders, before, 'new')) console.log(`new: ${body}`)
console.log(`${orders.endOffset - before} pointers in the queue`)
await storage.close()
