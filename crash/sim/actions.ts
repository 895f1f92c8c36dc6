/**
 * What a random history does, and how often. Adding an action is one entry of the table and a
 * function that chooses the arguments of a move.
 */
import type { DurabilityLevel } from '../../src/base/types.ts'
import type { CodecName } from '../../src/record/codec-name.ts'
import { groupActions } from './actions-groups.ts'
import type { Life, Target } from './life.ts'
import {
  addPartitions,
  allocateProducerId,
  append,
  appendBurst,
  commit,
  createTopic,
  deleteTopic,
  enforceRetention,
  flush,
  flushStore,
  produce,
  readAll,
  resend,
  roll,
  trim,
  truncate,
} from './moves.ts'
import { producerTopic } from './shapes.ts'

export type Action = {
  readonly name: string
  /** How often it is chosen, relative to the others. */
  readonly weight: number
  /** Does it, or nothing when there is nothing to do it to. Must not wait before it began. */
  readonly run: (life: Life) => Promise<void> | void
}

export const actions: readonly Action[] = [
  { name: 'append', weight: 40, run: appendSome },
  { name: 'append to many', weight: 8, run: appendToMany },
  { name: 'append on a mix of levels', weight: 5, run: appendMix },
  { name: 'append at once', weight: 5, run: appendAtOnce },
  { name: 'produce', weight: 9, run: produceSome },
  { name: 'send again', weight: 3, run: sendAgain },
  { name: 'flush', weight: 4, run: (life) => on(life, (target) => flush(life, target)) },
  { name: 'flush all', weight: 1, run: flushStore },
  { name: 'roll', weight: 5, run: (life) => on(life, (target) => roll(life, target), 'any') },
  { name: 'trim', weight: 6, run: trimSome },
  { name: 'truncate', weight: 4, run: truncateSome },
  { name: 'advance time', weight: 8, run: advanceTime },
  { name: 'create', weight: 4, run: createSome },
  { name: 'delete', weight: 2, run: deleteSome },
  { name: 'delete and create', weight: 2, run: recreateSome },
  { name: 'add partitions', weight: 2, run: growSome },
  { name: 'allocate a producer id', weight: 2, run: allocateProducerId },
  { name: 'read', weight: 3, run: readSome },
  ...groupActions,
  { name: 'retention', weight: 4, run: enforceRetention },
  { name: 'commit', weight: 6, run: commitSome },
]

const totalWeight = actions.reduce((sum, { weight }) => sum + weight, 0)

/** One action; the first of a store is to create a topic. */
export function takeAction(life: Life): Promise<void> | void {
  if (life.model.topics.size === 0 && life.random.chance(0.7)) return createSome(life)
  let dice = life.random.below(totalWeight)
  for (const { weight, run } of actions) {
    dice -= weight
    if (dice < 0) return run(life)
  }
}

/** Logs that take part: those of idempotent producers only when `any` will do. */
function targetsOf(life: Life, which: 'plain' | 'any'): Target[] {
  const targets = life.targets().filter(({ log }) => log.state !== 'closed')
  if (which === 'any') return targets
  return targets.filter(({ log }) => !log.name.startsWith(producerTopic))
}

function on<T>(
  life: Life,
  move: (target: Target) => T,
  which: 'plain' | 'any' = 'plain',
): T | undefined {
  const targets = targetsOf(life, which)
  return targets.length === 0 ? undefined : move(life.random.pick(targets))
}

function appendSome(life: Life): Promise<void> | void {
  const { random } = life
  return on(life, (target) => {
    const level = random.pick(['os', 'disk', 'disk', 'memory'] as const)
    const compression = random.pick(['none', 'none', 'none', 'lz4'] as const)
    return appendTo(life, target, level, compression)
  })
}

function appendTo(
  life: Life,
  target: Target,
  level: DurabilityLevel,
  compression: CodecName = 'none',
): Promise<void> {
  const { random, clock } = life
  const limit = target.model.maxValueBytes
  const isLarge = random.chance(0.25)
  const count = isLarge ? 1 + random.below(3) : 1 + random.below(4)
  const most = isLarge ? Math.floor(limit / count) - 20 : Math.min(140, limit / count)
  const values = Array.from({ length: count }, () => newValue(life, random.below(most)))
  const timestamp = random.chance(0.5) ? clock.now() : 1_000_000 + random.below(5_000)
  return append(life, target, values, { level, compression, timestamp })
}

function newValue(life: Life, paddingBytes: number): string {
  return `${life.model.valueCount++}-${'x'.repeat(paddingBytes)}`
}

/** Tiny appends to many logs in one turn: one flush serves them all. */
async function appendToMany(life: Life): Promise<void> {
  const { random } = life
  const started = targetsOf(life, 'plain')
    .filter(() => random.chance(0.7))
    .map((target) => {
      const level = random.pick(['disk', 'disk', 'os'] as const)
      return append(life, target, [newValue(life, random.below(30))], { level })
    })
  await settleAll(started)
}

/** On one log: what nobody waits for, then what somebody does, large beside small. */
async function appendMix(life: Life): Promise<void> {
  const { random } = life
  const target = on(life, (one) => one)
  if (target === undefined) return
  const started: Promise<void>[] = []
  for (let i = 2 + random.below(4); i > 0; i--) {
    started.push(appendTo(life, target, random.pick(['os', 'disk'] as const)))
    if (random.chance(0.2)) started.push(attempt(() => roll(life, target)))
  }
  await settleAll(started)
}

/**
 * Many small ones to one log: more than fit its segment, now and then. Not beside faults, because the
 * end of the log does not tell which of them met one.
 */
async function appendAtOnce(life: Life): Promise<void> {
  const { random } = life
  if (life.faultCount > 0 || life.disk.planFault !== undefined || life.hasMetFault()) return
  const target = on(life, (one) => one)
  if (target === undefined) return
  const batches = Array.from({ length: 2 + random.below(7) }, () => [
    newValue(life, random.below(random.chance(0.2) ? 140 : 40)),
  ])
  await appendBurst(life, target, batches)
}

/** Makes the move at once; what it throws is the promise's. */
async function attempt(move: () => void): Promise<void> {
  move()
}

/** Waits for all, so that no rejection goes unseen, and throws the first. */
async function settleAll(started: readonly Promise<void>[]): Promise<void> {
  const outcomes = await Promise.allSettled(started)
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}

function producerTargets(life: Life): Target[] {
  // A producer whose batch met the end of the machine has heard nothing, and sends nothing more.
  if (life.disk.hasStopped) return []
  return life.targets().filter(({ log }) => {
    return log.name.startsWith(producerTopic) && log.state === 'open'
  })
}

function produceSome(life: Life): Promise<void> | void {
  const { random } = life
  const targets = producerTargets(life)
  if (targets.length === 0) return
  const values = Array.from({ length: 1 + random.below(3) }, () => newValue(life, random.below(90)))
  return produce(life, random.pick(targets), 7 + random.below(2), values)
}

function sendAgain(life: Life): void {
  const { random } = life
  const targets = producerTargets(life)
  if (targets.length === 0) return
  const target = random.pick(targets)
  const { sent } = target.model.producer(7 + random.below(2))
  const last = sent.at(-1)
  if (last !== undefined) resend(life, target, last)
}

function trimSome(life: Life): void {
  on(life, (target) => {
    const { startOffset, endOffset } = target.log
    trim(life, target, startOffset + life.random.below(endOffset - startOffset + 1))
  })
}

function truncateSome(life: Life): void {
  on(life, (target) => {
    const { startOffset, endOffset } = target.log
    const share = life.random.pick([1, 0.2])
    const range = Math.ceil((endOffset - startOffset) * share)
    truncate(life, target, endOffset - life.random.below(range + 1))
  })
}

function advanceTime(life: Life): void {
  const ms = life.random.below(1_500)
  life.trace.note(`advance ${ms} ms`)
  life.clock.advance(ms)
}

function createSome(life: Life): Promise<void> | void {
  const { random, shape, model } = life
  const absent = shape.topics.filter((name) => !model.topics.has(name) && !model.unsure.has(name))
  if (absent.length === 0) return
  const name = random.pick(absent)
  const partitions = name === producerTopic ? 1 : 1 + random.below(shape.maxPartitions)
  const config = name === producerTopic ? {} : random.pick(shape.configs)
  return createTopic(life, name, partitions, config)
}

function deleteSome(life: Life): Promise<void> | void {
  const names = [...life.model.topics.keys()].filter((name) => !life.model.unsure.has(name))
  return names.length === 0 ? undefined : deleteTopic(life, life.random.pick(names))
}

/** The new topic has the name, and so the directory names, of the one that just went. */
async function recreateSome(life: Life): Promise<void> {
  await deleteSome(life)
  if (life.isOver) return
  await createSome(life)
}

function growSome(life: Life): Promise<void> | void {
  const { model, random, shape } = life
  const names = [...model.topics.keys()].filter((name) => {
    return name !== producerTopic && !model.unsure.has(name)
  })
  if (names.length === 0) return
  const name = random.pick(names)
  const count = model.topics.get(name)!.logs.length
  if (count < shape.maxPartitions) return addPartitions(life, name, count + 1)
}

function readSome(life: Life): void {
  on(life, (target) => readAll(life, target), 'any')
}

function commitSome(life: Life): Promise<void> | void {
  const { random } = life
  return on(
    life,
    (target) => {
      const name = random.pick(['billing', 'audit'])
      return commit(life, target, name, random.below(6), random.pick(['os', 'disk', 'disk']))
    },
    'any',
  )
}
