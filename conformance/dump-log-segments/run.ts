/**
 * kafka.tools.DumpLogSegments reads the files that this server and the embedded log have written:
 * batches of every codec, several segments, both indexes, snapshots of producers; after a clean stop,
 * after a kill and a recovery, and after trims, truncations and atomic groups. It must complain of
 * nothing, and find as many records as were acknowledged and as `stratalog dump` finds.
 */
import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Kafka } from 'kafkajs'
import { registerKafkaCodecs } from '../../demo/kafkajs-codecs.ts'
import { newestKafka } from '../../peers/maven-jars.ts'
import { NotRunError } from '../../peers/not-run.ts'
import { javaTools, runSession, type StepResult } from '../support/java-session.ts'
import type { Suite, TestResult } from '../support/suite.ts'
import type { SuiteContext } from '../support/suite-context.ts'
import { complaintsOf, dumpedLog, saneFiles, snapshotProducers } from './dump-verdict.ts'
import { createFilledTopics, fill, filledTopics, kafkaOf } from './fill-server.ts'
import { fillStore } from './fill-store.ts'

/** A data directory at rest. */
type Filled = {
  readonly name: string
  readonly path: string
  /** Records by log, where nothing was taken away; at least so many after a kill. */
  readonly acked: ReadonlyMap<string, number>
  readonly isExact: boolean
}

type Kind = 'log' | 'index' | 'timeindex' | 'snapshot'

type Dump = {
  readonly directory: Filled
  readonly log: string
  readonly kind: Kind
  readonly check: 'reads' | 'is sane' | 'agrees with the log'
  readonly files: readonly string[]
}

const cleanBatches = 1_500
const batchesBeforeKill = 600
const batchesAfterKill = 300

export const suite: Suite = {
  name: 'dump-log-segments',
  tools: javaTools,
  fast: true,
  async run(context) {
    if (context.against !== undefined) {
      throw new NotRunError('it reads the files of a server of its own')
    }
    registerKafkaCodecs()
    const directories = [await clean(context), await killed(context), await embedded(context)]
    const dumps = directories.flatMap(dumpsOf)
    const results = await runSession(context, {
      name: 'dumps',
      version: newestKafka,
      steps: dumps.map((dump) => ({
        name: nameOf(dump),
        main: 'kafka.tools.DumpLogSegments',
        args: [...flagsOf(dump), '--files', dump.files.join(',')],
      })),
    })
    const counts = new Map<string, ReadonlyMap<string, number>>()
    for (const { name, path } of directories) counts.set(name, await ownCounts(context, path))
    return dumps.map((dump, index) => {
      const own = counts.get(dump.directory.name)!.get(dump.log) ?? 0
      const detail = faultOf(dump, results[index]!, own)
      const name = nameOf(dump)
      return detail === undefined
        ? { name, outcome: 'passed' }
        : ({ name, outcome: 'failed', detail } satisfies TestResult)
    })
  },
}

async function clean(context: SuiteContext): Promise<Filled> {
  const server = await context.server()
  const kafka = kafkaOf(server)
  await createFilledTopics(kafka)
  const acked = await fill(kafka, 1, (batches) => batches >= cleanBatches)
  await stopped(server)
  return { name: 'clean', path: server.directory!, acked, isExact: true }
}

/** Killed in the middle of a load, recovered, loaded again and stopped. */
async function killed(context: SuiteContext): Promise<Filled> {
  const server = await context.server()
  const kafka: Kafka = kafkaOf(server)
  await createFilledTopics(kafka)
  let kill: Promise<void> | undefined
  const before = await fill(kafka, 2, (batches) => {
    if (batches === batchesBeforeKill) kill ??= server.kill()
    return batches > batchesBeforeKill || kill !== undefined
  })
  await kill
  const directory = server.directory!
  const again = await context.server({ directory })
  const after = await fill(kafkaOf(again), 3, (batches) => batches >= batchesAfterKill)
  await stopped(again)
  const logs = new Set([...before.keys(), ...after.keys()])
  const acked = new Map(
    [...logs].map((log) => [log, (before.get(log) ?? 0) + (after.get(log) ?? 0)]),
  )
  return { name: 'killed', path: directory, acked, isExact: false }
}

async function embedded(context: SuiteContext): Promise<Filled> {
  const path = join(context.scratch, 'embedded')
  mkdirSync(path)
  // Trimmed records stay in the segment that the start is in.
  return { name: 'embedded', path, acked: await fillStore(path), isExact: false }
}

async function stopped(server: { stop(): Promise<string[]> }): Promise<void> {
  const faults = await server.stop()
  if (faults.length > 0) throw new Error(faults[0])
}

function dumpsOf(directory: Filled): Dump[] {
  return [...directory.acked.keys()].sort().flatMap((log) => {
    const folder = join(directory.path, log)
    const files = readdirSync(folder).sort()
    const of = (kind: Kind) =>
      files.filter((file) => file.endsWith(`.${kind}`)).map((file) => join(folder, file))
    const dump = (kind: Kind, check: Dump['check']): Dump[] => {
      const found = of(kind)
      return found.length === 0 ? [] : [{ directory, log, kind, check, files: found }]
    }
    return [
      ...dump('log', 'reads'),
      ...dump('index', 'is sane'),
      ...dump('index', 'agrees with the log'),
      ...dump('timeindex', 'is sane'),
      ...dump('timeindex', 'agrees with the log'),
      ...dump('snapshot', 'reads'),
    ]
  })
}

function nameOf({ directory, log, kind, check }: Dump): string {
  return `${directory.name} ${log}: ${kind} ${check}`
}

function flagsOf({ kind, check }: Dump): string[] {
  if (check === 'is sane') return ['--index-sanity-check']
  if (check === 'agrees with the log') return ['--verify-index-only']
  return kind === 'log' ? ['--deep-iteration'] : []
}

/** @param own records that `stratalog dump` finds in the log. */
function faultOf(dump: Dump, result: StepResult, own: number): string | undefined {
  const [complaint] = complaintsOf(result)
  if (complaint !== undefined) return complaint
  const { kind, check, files } = dump
  if (check === 'is sane') {
    // The index of a segment that is below one interval has no entry.
    const filled = files.filter((file) => statSync(file).size > 0)
    const sane = saneFiles(result)
    return sane === filled.length ? undefined : `${sane} of ${filled.length} files are sane`
  }
  if (kind === 'snapshot') {
    const isExpected = dump.log.startsWith('idempotent')
    const producers = snapshotProducers(result)
    return producers > 0 === isExpected ? undefined : `${producers} producers in its snapshots`
  }
  return kind === 'log' ? logFault(dump, result, own) : undefined
}

function logFault({ directory, log, files }: Dump, result: StepResult, own: number) {
  const dumped = dumpedLog(result)
  const acked = directory.acked.get(log) ?? 0
  if (dumped.records !== own) return `${dumped.records} records, stratalog dump finds ${own}`
  if (directory.isExact ? own !== acked : own < acked) return `${own} records of ${acked}`
  const topic = filledTopics.find(({ name }) => log.slice(0, log.lastIndexOf('-')) === name)
  const stores = topic?.stores ?? /^appended-(\w+)-/.exec(log)?.[1] ?? 'none'
  const codecs = dumped.codecs.join(' and ')
  if (codecs !== stores) return `compressed with ${codecs}, not with ${stores}`
  if (dumped.producers > 0 !== (topic?.isIdempotent === true))
    return `${dumped.producers} producers`
  return files.length > 1 ? undefined : `one segment only: ${basename(files[0]!)}`
}

/** Records in each log as `stratalog dump` finds them. */
async function ownCounts(context: SuiteContext, path: string): Promise<Map<string, number>> {
  const main = join(context.root, 'dist', 'cli', 'main.js')
  const args = [main, 'dump', path, '--records', '--json']
  const { stdout } = await context.mustRun(process.execPath, args, { log: 'stratalog-dump.log' })
  const counts = new Map<string, number>()
  for (const line of stdout.split('\n')) {
    if (line === '') continue
    const log = (JSON.parse(line) as { file: string }).file.split('/').at(-2)!
    counts.set(log, (counts.get(log) ?? 0) + 1)
  }
  return counts
}
