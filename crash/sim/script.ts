/**
 * The scripted history of the exhaustive search: two short lives that come by everything a store
 * does to its disk. Every move is written down; nothing is left to chance but the disk's own timing.
 */
import type { Life } from './life.ts'
import {
  addPartitions,
  allocateProducerId,
  append,
  close,
  createTopic,
  deleteTopic,
  flush,
  produce,
  roll,
  trim,
  truncate,
} from './moves.ts'
import type { HistoryShape } from './shapes.ts'

export type Step = (life: Life) => unknown

export type Script = {
  readonly name: string
  readonly shape: HistoryShape
  /** Step by step; what stands in one step begins in the same turn. */
  readonly lives: readonly (readonly Step[])[]
}

export const scriptShape: HistoryShape = {
  name: 'script',
  topics: [],
  tables: [],
  maxPartitions: 3,
  steps: 0,
  configs: [],
  options: {
    checkpointIntervalMs: 1_000,
    journalBytes: 16_384,
    config: { 'segment.bytes': '1024', 'index.interval.bytes': '150' },
  },
}

const lives: readonly (readonly Step[])[] = [
  [
    (life) => createTopic(life, 'a', 2, {}),
    (life) => createTopic(life, 'producers', 1, {}),
    (life) => all(add(life, 'a', 0, 1), add(life, 'a', 1, 2), send(life, 7)),
    (life) => all(add(life, 'a', 0, 3, 'os'), add(life, 'a', 0, 1), add(life, 'a', 1, 1, 'os')),
    allocateProducerId,
    (life) => all(add(life, 'a', 0, 4, 'os', 150), add(life, 'a', 0, 3, 'disk', 150)),
    (life) => on(life, 'a', 1, (target) => roll(life, target)),
    (life) => all(add(life, 'a', 1, 2, 'os'), send(life, 7), send(life, 8)),
    (life) => life.clock.advance(1_000),
    (life) => on(life, 'a', 0, (target) => trim(life, target, 2)),
    (life) => on(life, 'a', 0, (target) => trim(life, target, target.log.endOffset - 1)),
    (life) => all(add(life, 'a', 1, 2), add(life, 'a', 0, 1, 'os')),
    (life) => on(life, 'a', 1, (target) => truncate(life, target, 4)),
    (life) => all(add(life, 'a', 1, 1, 'os'), add(life, 'a', 0, 1)),
    (life) => whenThere(life, 'a', () => addPartitions(life, 'a', 3)),
    (life) => all(add(life, 'a', 2, 1), send(life, 7)),
    close,
  ],
  [
    (life) => all(add(life, 'a', 0, 1), add(life, 'a', 1, 1, 'os'), send(life, 8)),
    (life) => on(life, 'a', 1, (target) => truncate(life, target, 1)),
    (life) => all(add(life, 'a', 1, 2, 'disk', 100), add(life, 'a', 2, 2, 'disk', 200)),
    (life) => life.clock.advance(1_000),
    (life) => whenThere(life, 'a', () => deleteTopic(life, 'a')),
    (life) => whenAbsent(life, 'a', () => createTopic(life, 'a', 1, {})),
    (life) => all(add(life, 'a', 0, 1), send(life, 7)),
    (life) => on(life, 'producers', 0, (target) => roll(life, target)),
    (life) => all(send(life, 8), add(life, 'a', 0, 2, 'os', 100)),
    (life) => on(life, 'a', 0, (target) => flush(life, target)),
    (life) => add(life, 'a', 0, 1, 'os'),
  ],
]

/** Everything that a store does to plain logs. */
export const logScript: Script = { name: 'logs', shape: scriptShape, lives }

/** Begins all of them in this turn, and waits for all. */
export function all(...started: readonly unknown[]): Promise<unknown> {
  return Promise.all(started)
}

/** After a fault nobody may know whether the topic is there. */
export function whenThere<T>(life: Life, name: string, move: () => T): T | undefined {
  const { topics, unsure } = life.model
  return topics.has(name) && !unsure.has(name) ? move() : undefined
}

function whenAbsent<T>(life: Life, name: string, move: () => T): T | undefined {
  const { topics, unsure } = life.model
  return topics.has(name) || unsure.has(name) ? undefined : move()
}

export function on<T>(
  life: Life,
  topic: string,
  partition: number,
  move: (target: ReturnType<Life['targets']>[number]) => T,
): T | undefined {
  const name = `${topic}-${partition}`
  // After a fault it may be missing.
  const target = life.targets().find(({ log }) => log.name === name && log.state !== 'closed')
  return target === undefined ? undefined : move(target)
}

export function add(
  life: Life,
  topic: string,
  partition: number,
  count: number,
  level: 'os' | 'disk' = 'disk',
  valueBytes = 10,
): Promise<void> {
  const values = Array.from({ length: count }, () => {
    return `${life.model.valueCount++}-`.padEnd(valueBytes, 'x')
  })
  return life.run(() => on(life, topic, partition, (one) => append(life, one, values, { level })))
}

function send(life: Life, producerId: number): Promise<void> {
  const value = `${life.model.valueCount++}-p`
  return life.run(() =>
    on(life, 'producers', 0, (target) => {
      if (target.log.state !== 'open' || life.disk.hasStopped) return
      return produce(life, target, producerId, [value])
    }),
  )
}
