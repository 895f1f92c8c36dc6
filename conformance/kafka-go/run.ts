/**
 * The tests of segmentio/kafka-go: one file per API with requests made by hand, its reader, writer
 * and groups.
 *
 * They want a broker with id 1 on localhost:9092. That port may be taken, so they are compiled with
 * the port of this run in its place.
 */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { copyGoModule, type GoModule, goTest } from '../support/go-test.ts'
import type { Suite } from '../support/suite.ts'

const kafkaGo: GoModule = { package: 'github.com/segmentio/kafka-go', version: 'v0.4.50' }
const defaultPort = /\b9092\b/g

/**
 * A helper of the tests of consumer groups in v0.4.50 asks a group for its coordinator without what
 * the group needs for it, and dies of that whatever the broker is. This gives it what it lacks.
 */
const brokenHelper = /^\tconn, err := cg\.coordinator\(\)$/m
const mendedHelper = [
  '\tcg.config.Timeout = 5 * time.Second',
  '\tcg.config.connect = makeConnect(cg.config)',
  '\tconn, err := cg.coordinator()',
].join('\n')

/**
 * Left out, each with an entry in expectations.json: with 24 messages in three partitions each of
 * two members is to read 12, so that it depends on how far one came before the other joined.
 */
const leftOut = ['TestReaderConsumerGroup/consumer_group_rebalance']

export const suite: Suite = {
  name: 'kafka-go',
  tools: ['go'],
  fast: true,
  async run(context) {
    const source = await copyGoModule(context, kafkaGo)
    const server = await context.server({
      args: ['--listeners', 'PLAINTEXT://localhost:0', '--override', 'message.max.bytes=200000000'],
    })
    const cwd = join(context.scratch, 'source')
    cpSync(source, cwd, { recursive: true })
    setPort(cwd, server.port)
    mendHelper(join(cwd, 'reader_test.go'))
    const results = await goTest(context, {
      cwd,
      package: '.',
      env: { KAFKA_VERSION: '3.7.0', KAFKA_SKIP_NETTEST: '1' },
      // Most of what they do is wait, many of them side by side.
      flags: [
        '-mod=mod',
        '-parallel=8',
        ...leftOut.map((name) => `-skip=^${name.replace('/', '$/^')}$`),
      ],
      limitMs: 900_000,
    })
    const left = leftOut.map((name) => ({ name, outcome: 'skipped' as const }))
    return context.extra.length === 0 ? [...results, ...left] : results
  },
}

/** Only the package itself: the others need no broker. */
function setPort(folder: string, port: number): void {
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.go'))) {
    const path = join(folder, file)
    const text = readFileSync(path, 'utf8').replace(defaultPort, String(port))
    writeFileSync(path, text)
  }
}

function mendHelper(path: string): void {
  const text = readFileSync(path, 'utf8')
  if (!brokenHelper.test(text)) throw new Error(`${path} has no helper to be mended`)
  writeFileSync(path, text.replace(brokenHelper, mendedHelper))
}
