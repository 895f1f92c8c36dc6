// A RabbitMQ-like queue on the kernel: messages are a log whose start is the first one that is not
// acknowledged, acknowledgements above it are keys of a table. What is delivered and not acknowledged
// is known in memory only, so it comes again after a restart. See docs/backend.md.
import { type LogStorage, openStore } from 'stratalog'

type Delivery = { tag: number; body: string; redelivered: boolean }

function keyOf(tag: number): Buffer {
  const key = Buffer.alloc(8)
  key.writeBigUInt64BE(BigInt(tag))
  return key
}

async function openQueue(storage: LogStorage, name: string, { prefetch }: { prefetch: number }) {
  const messages = await storage.log(name)
  const dead = await storage.log(`${name}.dead`)
  const acked = await storage.table(`${name}.acked`, { key: 'bytes', value: 'bytes' })
  const isAcked = (tag: number): boolean => acked.get(keyOf(tag)) !== undefined
  const unacked = new Set<number>()
  const returned: number[] = []
  let next = messages.startOffset

  /** Frees what is acknowledged at the front, then forgets its acknowledgements. */
  async function settle(tag: number): Promise<void> {
    unacked.delete(tag)
    let floor = messages.startOffset
    while (isAcked(floor)) floor++
    await messages.trim(floor) // durable on return
    const below = [...acked.range({ lt: keyOf(floor) })]
    await Promise.all(below.map(([key]) => acked.delete(key, { level: 'os' })))
  }

  return {
    messages,
    dead,
    /** Resolves when the message is on disk: a publisher confirm. */
    publish: (body: string) => messages.append(body, { level: 'disk' }),

    /** The next message, unless `prefetch` are out. */
    async get(): Promise<Delivery | undefined> {
      if (unacked.size >= prefetch) return undefined
      const again = returned.shift()
      next = Math.max(next, messages.startOffset)
      while (again === undefined && isAcked(next)) next++
      const tag = again ?? next
      if (tag >= messages.endOffset) return undefined
      if (again === undefined) next++
      unacked.add(tag)
      for await (const { value } of messages.read({ from: tag, to: tag + 1 })) {
        return { tag, body: String(value), redelivered: again !== undefined }
      }
      return undefined
    },

    async ack({ tag }: Delivery): Promise<void> {
      await acked.put(keyOf(tag), Buffer.alloc(0))
      await settle(tag)
    },

    requeue({ tag }: Delivery): void {
      unacked.delete(tag)
      returned.push(tag)
    },

    /** To the dead letters and out of the queue, both or neither. */
    async reject({ tag, body }: Delivery): Promise<void> {
      await storage.atomic((tx) => {
        tx.append(dead, body)
        tx.put(acked, keyOf(tag), Buffer.alloc(0))
      })
      await settle(tag)
    },
  }
}

let storage: LogStorage = await openStore('./data')
let tasks = await openQueue(storage, 'tasks', { prefetch: 3 })
for (const body of ['resize', 'broken', 'notify', 'archive']) await tasks.publish(body)
const [resize, broken, notify] = [await tasks.get(), await tasks.get(), await tasks.get()]
if (!resize || !broken || !notify || (await tasks.get())) throw new Error('three are delivered')
await tasks.ack(notify) // out of order: the two before it are still out
await tasks.reject(broken)
tasks.requeue(resize)
const again = await tasks.get()
console.log(`${again?.body}, redelivered: ${again?.redelivered}`)
await storage.close() // while that one is out

storage = await openStore('./data')
tasks = await openQueue(storage, 'tasks', { prefetch: 3 })
for (let task = await tasks.get(); task !== undefined; task = await tasks.get()) {
  console.log(`done: ${task.body}`)
  await tasks.ack(task)
}
const { startOffset, endOffset } = tasks.messages
console.log(`${endOffset - startOffset} messages left`)
await storage.close()
