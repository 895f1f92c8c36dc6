/**
 * Loaded into our server before its own modules (`node --import`): how late its event loop is. At
 * SIGUSR2 the figures since the last one go to the file named by STRATALOG_BENCH_PROBE, as JSON in
 * milliseconds.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

export type LoopDelay = { readonly p999Ms: number; readonly maxMs: number }

/** The timer whose delay is measured; its own period is not a delay. */
const periodMs = 1
const nanosecondsPerMs = 1e6

const histogram = monitorEventLoopDelay({ resolution: periodMs })
histogram.enable()

process.on('SIGUSR2', () => {
  const delay: LoopDelay = {
    p999Ms: lateness(histogram.percentile(99.9)),
    maxMs: lateness(histogram.max),
  }
  histogram.reset()
  const path = process.env['STRATALOG_BENCH_PROBE']!
  writeFileSync(`${path}.new`, JSON.stringify(delay))
  renameSync(`${path}.new`, path)
})

function lateness(nanoseconds: number): number {
  return Math.max(0, nanoseconds / nanosecondsPerMs - periodMs)
}
