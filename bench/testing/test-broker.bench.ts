// Question  How long does a test wait for a broker, and for its end?
// Workload  testBroker() with one topic, and close(), one after the other in one process.
// Measures  ms from the call to a broker that answers, and from close to nothing left; the first
//           one apart, because it loads what the others find loaded. Not: starting Node.
import { testBroker } from '../../src/testing/test-broker.ts'
import { median } from '../support/statistics.ts'

export type StartRow = { readonly what: string; readonly startMs: number; readonly closeMs: number }

/** Runs the whole file; `tiny` inputs only show that it works. */
export async function run(options: { readonly tiny: boolean }): Promise<StartRow[]> {
  const first = await measure(1)
  const three = await measure(3)
  const starts: number[] = []
  const closes: number[] = []
  let slowest = { startMs: 0, closeMs: 0 }
  for (let i = 0; i < (options.tiny ? 2 : 100); i++) {
    const { startMs, closeMs } = await measure(1)
    starts.push(startMs)
    closes.push(closeMs)
    if (startMs > slowest.startMs) slowest = { startMs, closeMs }
  }
  return [
    { what: 'first', ...first },
    { what: 'three broker ids', ...three },
    { what: 'median', startMs: median(starts), closeMs: median(closes) },
    { what: 'slowest start', ...slowest },
  ]
}

async function measure(brokers: number): Promise<{ startMs: number; closeMs: number }> {
  const called = performance.now()
  const broker = await testBroker({ brokers, topics: ['t'] })
  const started = performance.now()
  await broker.close()
  return { startMs: started - called, closeMs: performance.now() - started }
}
