/** Our server under the replayer, round by round, as rows of results. */
import { latencyMetrics } from '../compare/comparison.ts'
import { inDataDirectory } from '../support/data-directory.ts'
import { metric, type ResultRow } from '../support/results.ts'
import { ServerProcess } from '../support/server-process.ts'
import type { Latency } from '../support/statistics.ts'
import { measureWire, type WireLoad, type WireMeasures, type WireRate } from './wire-load.ts'

/** Every round has a server and a directory of its own. */
export async function wireRounds(
  load: WireLoad,
  rounds: number,
  { tiny }: { tiny: boolean },
): Promise<WireMeasures[]> {
  const measures: WireMeasures[] = []
  for (let round = 0; round < rounds; round++) {
    const measured = await inDataDirectory('wire', { tiny }, async (directory) => {
      const server = await ServerProcess.start(['--data', directory])
      try {
        return await measureWire(server, load)
      } finally {
        await server.stop()
      }
    })
    measures.push(measured)
  }
  return measures
}

export function wireRows(load: WireLoad, measures: readonly WireMeasures[]): ResultRow[] {
  const values = `${load.valueBytes} B`
  const batches = `${values}, batches of ${load.batchRecords}`
  const row = (workload: string, kept: string, metrics: ResultRow['metrics']): ResultRow => ({
    workload,
    peer: kept === '-' ? 'stratalog' : `stratalog, acks=${kept === 'os' ? 1 : 'all'}`,
    class: kept,
    pinned: false,
    metrics,
  })
  const rates = (pick: (of: WireMeasures) => WireRate): ResultRow['metrics'] => ({
    'MB/s': metric(
      measures.map((of) => pick(of).mbPerSecond),
      'MB/s',
    ),
    'records/s': metric(
      measures.map((of) => pick(of).recordsPerSecond),
      'records/s',
    ),
    'server CPU': metric(
      measures.map((of) => pick(of).cpuSecondsPerGb),
      's/GB',
    ),
  })
  const latency = (pick: (of: WireMeasures) => Latency) => latencyMetrics('answer', measures, pick)
  const produce = `produce ${batches} over TCP`
  const single = `produce ${values} over TCP, one record, one request at a time`
  return [
    row(
      produce,
      'os',
      rates((of) => of.produceOs),
    ),
    row(
      produce,
      'disk',
      rates((of) => of.produceDisk),
    ),
    row(`fetch ${batches} over TCP`, '-', {
      ...rates((of) => of.fetch),
      'server memory': metric(
        measures.map((of) => of.residentMb),
        'MB',
      ),
    }),
    row(
      single,
      'os',
      latency((of) => of.produceOsLatency),
    ),
    row(
      single,
      'disk',
      latency((of) => of.produceDiskLatency),
    ),
    row(
      `fetch over TCP, one batch of ${load.batchRecords} × ${values}, one request at a time`,
      '-',
      latency((of) => of.fetchLatency),
    ),
  ]
}
