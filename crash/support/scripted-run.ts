/**
 * The scripted life of a store into which faults are injected, always the same:
 *
 *     node scripted-run.js <directory> <life> <end> <bytes of the journal>
 *
 * `end` is `close`, or `abandon` to leave the directory as a crash would. Every call that fails is
 * reported, and the script goes on with the next. Exit code 1 when the store could not be opened.
 */
import { type Log, openStore, type Store } from '../../src/public.ts'
import { batchIds, formatId, valueFor } from './numbered-value.ts'
import { readStore } from './read-store.ts'
import { reportError } from './report-error.ts'
import { monotonicUs, report } from './report-lines.ts'

const [directory, life, end, journalBytes] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
]

/** Timers run when the script says so, because how many calls there are must not depend on time. */
class ScriptClock {
  #tasks: (() => void)[] = []

  now(): number {
    return 1_700_000_000_000
  }

  elapsedMs(): number {
    return 0
  }

  after(_delayMs: number, task: () => void): { cancel(): void } {
    this.#tasks.push(task)
    return {
      cancel: () => {
        this.#tasks = this.#tasks.filter((other) => other !== task)
      },
    }
  }

  fire(): void {
    const due = this.#tasks
    this.#tasks = []
    for (const task of due) task()
  }
}

const manyCount = 24
const clock = new ScriptClock()
const numbers = new Map<string, number>()
let generation = 0

/** One call; a failure leaves a hole in the numbers, so what follows has another name. */
async function step(name: string, call: () => Promise<unknown> | unknown): Promise<void> {
  try {
    await call()
  } catch (error) {
    reportError(name, error)
    generation++
  }
}

function take(log: Log, count: number): { source: string; number: number } {
  const source = `${life}.${generation}`
  const number = numbers.get(`${source} ${log.name}`) ?? 0
  numbers.set(`${source} ${log.name}`, number + count)
  return { source, number }
}

async function append(log: Log, count: number, level: 'os' | 'disk'): Promise<void> {
  await step(log.name, async () => {
    const { source, number } = take(log, count)
    const records = batchIds(source, number, count).map((id) => ({ value: valueFor(id) }))
    const { offset } = await log.append(records, { level })
    report('ack', log.name, level, offset, source, number, count, true, monotonicUs())
  })
}

async function write(log: Log, count: number): Promise<void> {
  const writer = log.writer({ lingerMs: 0, level: 'disk' })
  const { source, number } = take(log, count)
  const sends = Array.from({ length: count }, async (_, i) => {
    const id = formatId({ source, number: number + i, index: 0, count: 1 })
    const { offset } = await writer.send(valueFor(id))
    report('ack', log.name, 'disk', offset, source, number + i, 1, false, monotonicUs())
  })
  await step(log.name, () => Promise.all(sends))
  await step(log.name, () => writer.close())
}

async function create(store: Store, topic: string, partitions = 1): Promise<void> {
  await step(topic, async () => {
    if (store.topic(topic) !== undefined) return
    report('create', topic)
    await store.createTopic(topic, { partitions })
    report('created', topic)
  })
}

async function work(store: Store): Promise<void> {
  await create(store, 'a')
  await create(store, 'b')
  const logs: Log[] = []
  for (const topic of ['a', 'b']) await step(topic, async () => logs.push(await store.log(topic)))
  for (const log of logs) {
    await append(log, 2, 'os')
    await append(log, 3, 'disk')
    // Past the segment's end more than once.
    for (let i = 0; i < 6; i++) await append(log, 2, i % 2 === 0 ? 'os' : 'disk')
    await step(log.name, () => log.roll())
    await append(log, 1, 'os')
    await step(log.name, () => log.flush())
    await step('-', () => clock.fire())
    const middle = Math.floor((log.startOffset + log.endOffset) / 2)
    report('trim', log.name, middle)
    await step(log.name, () => log.trim(middle))
    await write(log, 3)
  }
  // So many that their syncs go together.
  await create(store, 'many', manyCount)
  const many: Log[] = []
  for (let partition = 0; partition < manyCount; partition++) {
    await step('many', async () => many.push(await store.log('many', { partition })))
  }
  await Promise.all(many.map((log) => append(log, 1, 'disk')))
  // Rounds of both logs, and then more than a region of the journal takes.
  for (let i = 0; i < 4; i++) await Promise.all(logs.map((log) => append(log, 1, 'disk')))
  const topic = `gone-${life}`
  await create(store, topic)
  await step(topic, async () => {
    if (store.topic(topic) === undefined) return
    report('delete', topic)
    await store.deleteTopic(topic)
    report('deleted', topic)
  })
  await step('-', () => readStore(store, (fault) => report('fault', fault)))
  for (const log of logs) {
    await append(log, 1, 'disk')
    await append(log, 1, 'os')
  }
}

async function main(): Promise<void> {
  const store = await openStore(directory, {
    clock,
    random: () => 0.5,
    journalBytes: Number(journalBytes),
    config: { 'segment.bytes': '4096', 'index.interval.bytes': '256', 'max.message.bytes': '4096' },
  })
  report('opened', store.wasClean)
  await work(store)
  if (end === 'abandon') process.kill(process.pid, 'SIGKILL')
  await step('close', async () => {
    await store.close()
    report('closed')
  })
}

await main().catch((error) => {
  reportError('open', error)
  process.exitCode = 1
})
