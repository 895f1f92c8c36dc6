/** Middle value, or the mean of the two middle ones. `values` is not empty and is left as it is. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >>> 1
  const upper = sorted[middle] as number
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2
}

/** The value that `share` (0–1) of the samples do not exceed; nearest rank. Sorts `samples`. */
export function percentile(samples: Float64Array, share: number): number {
  samples.sort()
  const rank = Math.max(1, Math.ceil(share * samples.length))
  return samples[rank - 1] as number
}

export type Latency = { p50Us: number; p99Us: number; p999Us: number }

/** Percentiles in microseconds of samples in milliseconds. Sorts `samplesMs`. */
export function latencyOf(samplesMs: Float64Array): Latency {
  return {
    p50Us: percentile(samplesMs, 0.5) * 1000,
    p99Us: percentile(samplesMs, 0.99) * 1000,
    p999Us: percentile(samplesMs, 0.999) * 1000,
  }
}
