/** Small pieces of work, timed by tinybench one after the other, as rows of one table. */
import { Bench } from 'tinybench'
import { loadPeer } from '../compare/engine.ts'

export type MicroRow = {
  readonly what: string
  /** Median and 99th percentile of the time of one operation, in ns. */
  readonly ns: number
  readonly 'p99 ns': number
  readonly 'per s': number
  /** Of the bytes one operation works on; '' where it works on none. */
  readonly 'GB/s': number | ''
}

export type MicroWork = {
  readonly what: string
  /** Operations of one call, 1 when left out; what is shown is divided by it. */
  readonly operations?: number
  /** Bytes of one call. */
  readonly bytes?: number
  /** Its results are added up, so that no compiler drops the work; NaN fails the bench. */
  readonly work: () => number
}

/**
 * Times every piece of work: for 400 ms, or `calls` times. `tiny` runs each once or twice, to show
 * that it works.
 */
export function measureMicro(
  works: readonly MicroWork[],
  { tiny, calls }: { tiny: boolean; calls?: number },
): MicroRow[] {
  const bench = new Bench(
    tiny
      ? { time: 1, iterations: 1, warmup: false }
      : calls === undefined
        ? { time: 400, iterations: 20, warmupTime: 150 }
        : { time: 0, iterations: calls, warmupTime: 0, warmupIterations: Math.ceil(calls / 10) },
  )
  let sum = 0
  for (const { what, work } of works) {
    bench.add(what, () => {
      sum += work()
    })
  }
  bench.runSync()
  if (Number.isNaN(sum)) throw new Error('the bench computed nothing')
  return bench.tasks.map(({ name, result }, index) => {
    if (!('latency' in result)) throw new Error(`bench ${name} failed`, { cause: result })
    const { operations = 1, bytes } = works[index]!
    const ns = (result.latency.p50 * 1e6) / operations
    return {
      what: name,
      ns,
      'p99 ns': (result.latency.p99 * 1e6) / operations,
      'per s': 1e9 / ns,
      'GB/s': bytes === undefined ? '' : bytes / operations / ns,
    }
  })
}

/** A package of bench/compare; undefined in a tiny run or where it could not be installed. */
export function peerOrNone<T>(packageName: string, { tiny }: { tiny: boolean }): T | undefined {
  if (tiny) return undefined
  try {
    return loadPeer<T>(packageName)
  } catch (error) {
    console.log(`skipped: ${packageName} [${String(error).split('\n', 1)[0]}]`)
    return undefined
  }
}
