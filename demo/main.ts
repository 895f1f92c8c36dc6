/**
 * The main job on real input, end to end. One process opens a store and serves it; kafkajs sends
 * every line of real files with every codec; then all of it is read back through the library and
 * through raw Fetch requests over TCP, and compared byte by byte. Exit code 1 on any difference.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import kafkajs, { type Message } from 'kafkajs'
import { formatBytes, ProgressBar } from '../src/cli/progress-bar.ts'
import { bindingNote } from '../src/native/load-binding.ts'
import { openStore, type Store } from '../src/public.ts'
import { serve } from '../src/public-server.ts'
import { type KafkaCodecName, kafkaCodecs, registerKafkaCodecs } from './kafkajs-codecs.ts'
import { PartitionCheck } from './partition-check.ts'
import { RawClient, visitRecords } from './raw-client.ts'
import { findFiles, readLines, type SourceLine } from './source-lines.ts'

const partitionCount = 4
/** Bounds the default run to about a minute; files named on the command line are taken whole. */
const defaultMaxLines = 400_000
const sendBytes = 1024 * 1024
/** kafkajs copies a partition's messages once per message of a send: large sends cost the square. */
const sendRecords = 2_000
const codecs = Object.keys(kafkaCodecs) as KafkaCodecName[]

type Input = {
  readonly lines: readonly SourceLine[]
  readonly byPartition: readonly SourceLine[][]
  readonly bytes: number
}

process.exitCode = await main(process.argv.slice(2))

async function main(named: readonly string[]): Promise<number> {
  const missing = named.find((path) => statSync(path, { throwIfNoEntry: false })?.isFile() !== true)
  if (missing !== undefined) {
    process.stderr.write(`demo: ${missing} is not a file\n`)
    return 2
  }
  const input = readInput(named)
  if (input.lines.length === 0) {
    process.stderr.write('demo: no lines to send: name files, or run npm ci first\n')
    return 2
  }
  const directory = mkdtempSync(join(tmpdir(), 'stratalog-demo-'))
  try {
    return await demonstrate(input, directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function readInput(named: readonly string[]): Input {
  const paths = named.length > 0 ? named : findFiles('node_modules')
  const lines = readLines(paths, named.length > 0 ? Number.POSITIVE_INFINITY : defaultMaxLines)
  const byPartition: SourceLine[][] = Array.from({ length: partitionCount }, () => [])
  let bytes = 0
  for (const line of lines) {
    byPartition[partitionOf(line)]!.push(line)
    bytes += line.file.length + line.text.length
  }
  const fileCount = (lines.at(-1)?.fileIndex ?? -1) + 1
  print(
    `${count(lines.length)} lines (${formatBytes(bytes)} with their keys) of ${count(fileCount)} files`,
  )
  return { lines, byPartition, bytes }
}

/** A file's lines stay together, and in order. */
function partitionOf(line: SourceLine): number {
  return line.fileIndex % partitionCount
}

async function demonstrate(input: Input, directory: string): Promise<number> {
  const store = await openStore(directory)
  const server = await serve(store, { port: 0 })
  const binding = bindingNote === undefined ? 'native addon' : `portable binding: ${bindingNote}`
  print(`server on ${server.address}, level ${store.level}, ${binding}`)
  print(
    `every line once per codec, over ${partitionCount} partitions; MB/s of keys (file names) and lines\n`,
  )
  print('codec      records     stored  ratio    kafkajs    library  raw fetch')
  const faults: string[] = []
  let uncompressed = 0
  registerKafkaCodecs()
  const kafka = new kafkajs.Kafka({
    clientId: 'demo',
    brokers: [server.address],
    logLevel: kafkajs.logLevel.ERROR,
  })
  const client = await RawClient.connect(server.port)
  try {
    for (const codec of codecs) {
      const topic = `lines-${codec}`
      const producedMs = await produce(kafka, topic, codec, input)
      const library = readThroughLibrary(store, topic, input)
      const fetched = await readThroughFetch(client, topic, input)
      faults.push(...library.faults, ...fetched.faults)
      const stored = storedBytes(store, topic)
      if (codec === 'none') uncompressed = stored
      const sizes = { stored, ratio: uncompressed / stored }
      print(row(codec, input, sizes, [producedMs, library.ms, fetched.ms]))
    }
  } finally {
    client.close()
    await server.close()
    await store.close()
  }
  printFiles(directory)
  return report(faults, input)
}

/** Sends every line, a batch per partition at a time, and waits until it is on disk. */
async function produce(
  kafka: kafkajs.Kafka,
  topic: string,
  codec: KafkaCodecName,
  input: Input,
): Promise<number> {
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({
    topics: [
      {
        topic,
        numPartitions: partitionCount,
        // A line may be longer than a batch usually is.
        configEntries: [{ name: 'max.message.bytes', value: `${64 * 1024 * 1024}` }],
      },
    ],
  })
  await admin.disconnect()
  const producer = kafka.producer({
    createPartitioner: () => (chosen) => chosen.message.partition ?? 0,
  })
  await producer.connect()
  const bar = new ProgressBar(`sending ${codec}`.padEnd(16))
  const started = performance.now()
  for (let sent = 0; sent < input.lines.length; ) {
    const messages: Message[] = []
    for (let bytes = 0; bytes < sendBytes && messages.length < sendRecords; ) {
      const line = input.lines[sent + messages.length]
      if (line === undefined) break
      messages.push({ key: line.file, value: line.text, partition: partitionOf(line) })
      bytes += line.text.length
    }
    await producer.send({ topic, messages, acks: -1, compression: kafkaCodecs[codec] })
    sent += messages.length
    bar.update(sent, input.lines.length, `${count(sent)} records`)
  }
  const tookMs = performance.now() - started
  bar.end()
  await producer.disconnect()
  return tookMs
}

type ReadBack = { readonly ms: number; readonly faults: string[] }

function readThroughLibrary(store: Store, topic: string, input: Input): ReadBack {
  const started = performance.now()
  const faults: string[] = []
  input.byPartition.forEach((expected, partition) => {
    const check = new PartitionCheck(`library: ${topic}-${partition}`, expected)
    const cursor = store.topic(topic)!.log(partition).cursor()
    while (cursor.next()) check.take(cursor)
    const fault = check.result()
    if (fault !== undefined) faults.push(fault)
  })
  return { ms: performance.now() - started, faults }
}

async function readThroughFetch(client: RawClient, topic: string, input: Input): Promise<ReadBack> {
  const started = performance.now()
  const bar = new ProgressBar(`fetching ${topic}`)
  const checks = input.byPartition.map(
    (expected, partition) => new PartitionCheck(`fetch: ${topic}-${partition}`, expected),
  )
  let open = checks.map((_, partition) => ({ partition, fetchOffset: 0 }))
  while (open.length > 0) {
    const answers = await client.fetch(topic, open)
    const next = new Map(open.map((position) => [position.partition, position]))
    for (const { partition, highWatermark, records } of answers) {
      const check = checks[partition]!
      const from = next.get(partition)!.fetchOffset
      const fetchOffset = visitRecords(records, from, (record) => check.take(record))
      if (fetchOffset >= highWatermark) next.delete(partition)
      else next.set(partition, { partition, fetchOffset })
    }
    // What was just answered goes to the end, so that no partition starves.
    open = [...next.values()].sort((a, b) => a.fetchOffset - b.fetchOffset)
    bar.update(sum(checks.map(({ recordCount }) => recordCount)), input.lines.length)
  }
  bar.end()
  const faults = checks.map((check) => check.result()).filter((fault) => fault !== undefined)
  return { ms: performance.now() - started, faults }
}

function storedBytes(store: Store, topic: string): number {
  return sum(
    store
      .topic(topic)!
      .openLogs()
      .map(({ sizeBytes }) => sizeBytes),
  )
}

function row(
  codec: string,
  input: Input,
  { stored, ratio }: { readonly stored: number; readonly ratio: number },
  [producedMs, libraryMs, fetchedMs]: readonly [number, number, number],
): string {
  const rate = (ms: number) => (input.bytes / 1000 / ms).toFixed(1).padStart(11)
  const rates = rate(producedMs) + rate(libraryMs) + rate(fetchedMs)
  return `${codec.padEnd(7)}${count(input.lines.length).padStart(11)}${formatBytes(stored).padStart(11)}${ratio.toFixed(2).padStart(7)}${rates}`
}

function printFiles(directory: string): void {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  print(`\nfiles in the data directory: ${files.length}`)
  const kinds = new Map<string, { count: number; bytes: number }>()
  for (const { name, parentPath } of files) {
    const kind = /\.[a-z]+$/.exec(name)?.[0] ?? name
    const total = kinds.get(kind) ?? { count: 0, bytes: 0 }
    total.count++
    total.bytes += statSync(join(parentPath, name)).size
    kinds.set(kind, total)
  }
  for (const [kind, total] of [...kinds].sort((a, b) => b[1].bytes - a[1].bytes)) {
    print(`  ${kind.padEnd(36)}${String(total.count).padStart(4)}  ${formatBytes(total.bytes)}`)
  }
}

function report(faults: readonly string[], input: Input): number {
  const records = count(input.lines.length * codecs.length)
  const bytes = formatBytes(input.bytes * codecs.length)
  if (faults.length === 0) {
    print(`\n${records} records, ${bytes}: every line came back the same through both doors`)
    return 0
  }
  for (const fault of faults) process.stderr.write(`demo: ${fault}\n`)
  return 1
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function count(value: number): string {
  return value.toLocaleString('en-US').replaceAll(',', ' ')
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
