/** A store on the simulated disk with a log `t`, its consumers, and a clock and log lines to look at. */
import { SimClock } from '../../crash/sim/sim-clock.ts'
import type { Log } from '../../src/log/log.ts'
import type { Consumer, ConsumerOptions } from '../../src/store/consumer.ts'
import { openOn, simDisk } from './log-inspection.ts'
import { RecordingLogger } from './recording-logger.ts'

export async function open(disk = simDisk(), nowMs?: number) {
  const clock = new SimClock(nowMs)
  const logger = new RecordingLogger()
  const store = await openOn(disk, { clock, logger, random: () => 0 })
  const log = await store.log('t')
  const consumer = (options: ConsumerOptions = {}, name = 'billing') => {
    return store.consumer(name, log, options)
  }
  return { disk, clock, logger, store, log, consumer }
}

export async function fill(log: Log, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await log.append(`${log.endOffset}`, { level: 'os' })
  await log.flush()
}

/** The next `count` values. */
export async function take(consumer: Consumer, count: number): Promise<string[]> {
  const values: string[] = []
  if (count === 0) return values
  for await (const { value } of consumer) {
    values.push(String(value))
    if (values.length === count) break
  }
  return values
}
