/** kcat (librdkafka), unmodified, against the built server in a process of its own. */
import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ServerProcess } from '../support/server-process.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const isInstalled = spawnSync('kcat', ['-V']).status === 0
const directory = makeTemporaryDirectory()
let server: ServerProcess

describe('kcat', () => {
  beforeAll(async () => {
    server = await ServerProcess.start(directory.path)
  })

  afterAll(async () => {
    expect(await server.stop()).toBe(0)
    directory.remove()
  })

  beforeEach((context) => {
    if (!isInstalled) context.skip('kcat is not installed')
  })

  it('produces two lines and consumes both', () => {
    produce('t', 'a\nb\n')
    expect(consume('t')).toBe('a\nb\n')
  })

  it.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'])('produces with codec %s', (codec) => {
    const topic = `codec-${codec}`
    const text = lines(1_000)
    produce(topic, text, '-X', `compression.codec=${codec}`)
    expect(consume(topic)).toBe(text)
  })

  it('produces as an idempotent producer', () => {
    produce('idempotent', 'a\nb\n', '-X', 'enable.idempotence=true')
    produce('idempotent', 'c\n', '-X', 'enable.idempotence=true')
    expect(consume('idempotent')).toBe('a\nb\nc\n')
  })

  it.each(['0', '1', 'all'])('produces with acks %s', (acks) => {
    produce(`acks-${acks}`, 'a\nb\n', '-X', `acks=${acks}`)
    expect(consume(`acks-${acks}`)).toBe('a\nb\n')
  })

  it('brings 10,000 records back, in order', () => {
    const text = lines(10_000)
    produce('many', text)
    expect(consume('many')).toBe(text)
    expect(consume('many', '-o', '9990')).toBe(text.split('\n').slice(9990).join('\n'))
    expect(consume('many', '-o', '-2')).toBe('line 9998\nline 9999\n')
  })

  it('keeps keys, headers and null values', () => {
    produce('fields', 'k1:v1\nk2:\n', '-K', ':', '-Z', '-H', 'trace=7')
    const format = ['-f', '%o %k %s %S %h\\n', '-Z']
    expect(consume('fields', ...format)).toBe('0 k1 v1 2 trace=7\n1 k2 NULL -1 trace=7\n')
  })

  it('lists brokers, topics and partitions', () => {
    produce('listed', 'x\n')
    const listing = JSON.parse(kcat('', '-L', '-J', '-t', 'listed'))
    expect(listing.brokers).toMatchObject([{ name: server.address }])
    expect(listing.topics).toMatchObject([{ topic: 'listed', partitions: [{ partition: 0 }] }])
  })

  it('finds offsets by timestamp', () => {
    const before = Date.now()
    produce('timed', 'x\n')
    expect(kcat('', '-Q', '-t', `timed:0:${before}`)).toBe('timed [0] offset 0\n')
    expect(kcat('', '-Q', '-t', 'timed:0:-1')).toBe('timed [0] offset 1\n')
  })
})

function lines(count: number): string {
  return Array.from({ length: count }, (_, i) => `line ${i}\n`).join('')
}

function produce(topic: string, input: string, ...options: readonly string[]): void {
  kcat(input, '-P', '-t', topic, ...options)
}

/** Everything from the beginning of the topic to its end, unless `-o` says otherwise. */
function consume(topic: string, ...options: readonly string[]): string {
  const from = options.includes('-o') ? [] : ['-o', 'beginning']
  return kcat('', '-C', '-q', '-e', '-t', topic, ...from, ...options)
}

function kcat(input: string, ...args: readonly string[]): string {
  const all = ['-b', server.address, ...args]
  const { status, stdout, stderr } = spawnSync('kcat', all, {
    input,
    encoding: 'utf8',
    timeout: 30_000,
  })
  expect(status, `kcat ${all.join(' ')}\n${stderr}`).toBe(0)
  return stdout
}
