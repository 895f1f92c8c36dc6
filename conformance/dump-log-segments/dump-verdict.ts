/**
 * What kafka.tools.DumpLogSegments has printed of files, judged. It ends with exit code 0 whatever
 * it finds, so its words count.
 */
import type { StepResult } from '../support/java-session.ts'

export type DumpedLog = {
  readonly records: number
  readonly batches: number
  /** Codecs of the batches, each once. */
  readonly codecs: readonly string[]
  /** Producer ids of its batches; a negative one is none. */
  readonly producers: number
}

const complaints =
  /^(?:Found |Mismatches in|Non-consecutive)|not found in the log|isvalid: false|Exception|corrupt/i

/** The first lines in which it complains. */
export function complaintsOf({ code, stdout, stderr }: StepResult): string[] {
  const lines = `${stdout}\n${stderr}`.split('\n').filter((line) => complaints.test(line))
  return code === 0 ? lines : [`exit code ${code}`, ...lines]
}

/** Counts of a dump with --deep-iteration. */
export function dumpedLog({ stdout }: StepResult): DumpedLog {
  let records = 0
  let batches = 0
  const codecs = new Set<string>()
  const producers = new Set<string>()
  for (const line of stdout.split('\n')) {
    if (line.startsWith('| offset: ')) records++
    const batch = /^baseOffset: .* producerId: (-?\d+) .* compresscodec: (\w+)/.exec(line)
    if (batch === null) continue
    batches++
    if (Number(batch[1]) >= 0) producers.add(batch[1]!)
    codecs.add(batch[2]!)
  }
  return { records, batches, codecs: [...codecs], producers: producers.size }
}

/** Files of which it has said that their index is sane. */
export function saneFiles({ stdout }: StepResult): number {
  return stdout.split('\n').filter((line) => line.endsWith('passed sanity check.')).length
}

/** Producers of snapshots. */
export function snapshotProducers({ stdout }: StepResult): number {
  return stdout.split('\n').filter((line) => /producerId: \d+ producerEpoch: \d+/.test(line)).length
}
