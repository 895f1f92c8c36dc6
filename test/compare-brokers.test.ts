/**
 * What `npm run bench:compare` makes of its arguments, of the words of the load tools and of the
 * kernel's counters. Goal: a figure is what the tool said, and a run in which records failed is no
 * figure. Method: lines as the tools print them.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import kafkajs from 'kafkajs'
import { describe, expect, it } from 'vitest'
import { isFree } from '../bench/compare-brokers/broker-peer.ts'
import { costs } from '../bench/compare-brokers/compare-bench.ts'
import { fetchedPartitions, fetchRequest } from '../bench/compare-brokers/load/fetch-frames.ts'
import { parseJavaProduced } from '../bench/compare-brokers/load/java-load.ts'
import { parsePerfConsumed, parsePerfProduced } from '../bench/compare-brokers/load/kafka-perf.ts'
import { parseNatsRate } from '../bench/compare-brokers/load/nats-load.ts'
import {
  parseConsumed,
  parseLatencies,
  parseProduced,
} from '../bench/compare-brokers/load/rdkafka-load.ts'
import { parseCompareOptions } from '../bench/compare-brokers/options.ts'
import {
  cpuSecondsOf,
  peakBytesOf,
  resetPeak,
  residentBytesOf,
} from '../bench/compare-brokers/process-usage.ts'
import { judged } from '../bench/compare-brokers/report.ts'
import { type Measures, pairRatio, type Row, rowOf } from '../bench/compare-brokers/row.ts'
import { percentilesOf } from '../bench/compare-brokers/workloads/w6-latency.ts'
import { atLeast, atMost } from '../bench/support/target.ts'
import { testBroker } from '../src/public-testing.ts'

describe('bench:compare', () => {
  it('takes its arguments, later ones over earlier ones', () => {
    const all = parseCompareOptions([])
    expect([all.rounds, all.pinning, all.workloads.length]).toEqual([5, [true, false], 10])
    const some = parseCompareOptions(['--only', 'w2,W10', '--peers', 'kafka', '--rounds', '3'])
    expect([some.workloads, some.peers, some.rounds]).toEqual([['W2', 'W10'], ['kafka'], 3])
    const quick = parseCompareOptions(['--quick', '--recovery-gb', '2', '--unpinned'])
    expect([quick.scale < 1, quick.recoveryGb, quick.pinning]).toEqual([true, 2, [false]])
  })

  it('knows which ports are free', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    expect(await isFree(port)).toBe(false)
    taken.close()
    await once(taken, 'close')
    expect(await isFree(port)).toBe(true)
  })

  it('refuses arguments it does not know', () => {
    expect(() => parseCompareOptions(['--round', '3'])).toThrow('unknown argument --round')
    expect(() => parseCompareOptions(['--rounds'])).toThrow('--rounds has no value')
    expect(() => parseCompareOptions(['--rounds', '0'])).toThrow('expected a number above 0')
    expect(() => parseCompareOptions(['--only', 'W11'])).toThrow('--only W11: expected W1, W2')
    expect(() => parseCompareOptions(['--peers', 'redis'])).toThrow('--peers redis')
  })
})

describe('what rdkafka_performance says', () => {
  const produced = (delivered: number) =>
    '% 12 backpressures for 3000 produce calls: 0.400% backpressure rate\n' +
    `% 3000 messages produced (3072000 bytes), ${delivered} delivered (offset 499, 0 failed) in ` +
    '1500ms: 2000 msgs/s and 2.05 MB/s, 12 produce failures, 0 in queue, no compression\n'

  it('is read of a producer whose records were all delivered', () => {
    const expected = { records: 3000, bytes: 3_072_000, seconds: 1.5 }
    expect(parseProduced(produced(3000), 3000)).toEqual(expected)
  })

  it('is no figure when some were not, or nothing was said', () => {
    expect(() => parseProduced(produced(2999), 3000)).toThrow('2999 of 3000 records')
    expect(() => parseProduced('', 3000)).toThrow('did not say')
  })

  it('is read of a consumer, its last line counting', () => {
    const line = (count: number, ms: number) =>
      `% ${count} messages (${count * 100} bytes) consumed in ${ms}ms: 1 msgs/s (0.10 MB/s)\n`
    const stdout = line(10, 1000) + line(50, 2000)
    expect(parseConsumed(stdout, 50)).toEqual({ records: 50, bytes: 5000, seconds: 2 })
    expect(() => parseConsumed(stdout, 51)).toThrow('50 of 51 records')
  })

  it('has latencies in microseconds', () => {
    expect([...parseLatencies('250\n1000\n')]).toEqual([0.25, 1])
  })
})

describe("what Kafka's tools say", () => {
  it('is read of the producer, the last line being that of all', () => {
    const stdout =
      '20001 records sent, 4000.2 records/sec (0.38 MB/sec), 1.2 ms avg latency, 9.0 ms max latency.\n' +
      '50000 records sent, 5000.0 records/sec (0.48 MB/sec), 1.00 ms avg latency, 9.00 ms max latency, 1 ms 50th, 2 ms 95th, 3 ms 99th, 4 ms 99.9th.\n'
    const expected = { records: 50_000, bytes: 5_000_000, seconds: 10 }
    expect(parsePerfProduced(stdout, 50_000, 100)).toEqual(expected)
    expect(() => parsePerfProduced(stdout, 50_001, 100)).toThrow('50000 of 50001 records')
  })

  it('is read of the consumer, by the names of its columns', () => {
    const stdout =
      'start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec\n' +
      '2026-01-01 00:00:00:000, 2026-01-01 00:00:03:000, 97.6, 32.5, 100000, 33333.3, 1000, 2000, 48.8, 50000.0\n'
    const expected = { records: 100_000, bytes: 102_400_000, seconds: 2 }
    expect(parsePerfConsumed(stdout, 100_000, 1024)).toEqual(expected)
    expect(() => parsePerfConsumed('', 1, 1024)).toThrow('of 1 records')
  })
})

describe('what nats bench says', () => {
  it('is read as records a second of all clients', () => {
    const one = 'NATS JetStream asynchronous publisher stats: 51,493 msgs/sec ~ 50 MiB/sec\n'
    const many =
      'NATS JetStream synchronous publisher aggregated stats: 1,021,374 msgs/sec ~ 21 MiB/sec\n' +
      '  [1] 5,467 msgs/sec ~ 5.3 MiB/sec ~ 182.89us (500 msgs)\n'
    expect([parseNatsRate(one), parseNatsRate(many)]).toEqual([51_493, 1_021_374])
    expect(() => parseNatsRate('error')).toThrow('did not say')
  })
})

describe('what a Java client of a broker says', () => {
  it('is read, with what it produced to warm up', () => {
    const stdout = 'a line of a logger\n3000 records in 1500000 us, after 4096 to warm up\n'
    const expected = { records: 3000, bytes: 3_072_000, seconds: 1.5, warmUpRecords: 4096 }
    expect(parseJavaProduced(stdout, 3000, 1024)).toEqual(expected)
    expect(() => parseJavaProduced(stdout, 3001, 1024)).toThrow('3000 of 3001 records')
    expect(() => parseJavaProduced('', 1, 1024)).toThrow('0 of 1 records')
  })
})

describe('rows', () => {
  const about = { workload: 'W2', what: '', class: 'page cache', pinned: false } as const
  const row = (rounds: readonly Measures[]): Row =>
    rowOf({ ...about, peer: '', client: '' }, rounds)

  it('hold medians, and ratios are medians of the ratios of neighbours', () => {
    const ours = row([{ mbPerSecond: 10 }, { mbPerSecond: 300 }, { mbPerSecond: 40 }])
    const theirs = row([{ mbPerSecond: 5 }, { mbPerSecond: 100 }, { mbPerSecond: 40 }])
    expect(ours.metrics.mbPerSecond).toEqual({ median: 40, values: [10, 300, 40], unit: 'MB/s' })
    expect(pairRatio(ours, theirs, 'mbPerSecond')).toBe(2)
  })

  it('share the CPU time of the server among all records, those to warm up too', () => {
    const result = { records: 1000, bytes: 1_000_000, seconds: 2 }
    const rates = { recordsPerSecond: 500, mbPerSecond: 0.5 }
    const alone = { ...rates, cpuSecondsPerGb: 4000, cpuUsPerRecord: 4000 }
    expect(costs(result, 4)).toEqual(alone)
    const warmed = { ...rates, cpuSecondsPerGb: 1000, cpuUsPerRecord: 1000 }
    expect(costs({ ...result, warmUpRecords: 3000 }, 4)).toEqual(warmed)
    const uncounted = costs({ ...result, records: Number.NaN }, 4)
    expect(uncounted.cpuSecondsPerGb).toBe(alone.cpuSecondsPerGb)
  })

  it('give no ratio where a figure is missing, and the target is then open', () => {
    const ours = row([{ mbPerSecond: 10 }])
    expect(pairRatio(ours, undefined, 'mbPerSecond')).toBeNaN()
    expect(pairRatio(ours, row([{ readyMs: 1 }]), 'mbPerSecond')).toBeNaN()
    const from = 'a test'
    const targets = [atMost('a', Number.NaN, 1, { from }), atLeast('b', 1, 1, { from })]
    expect(judged(targets).map(({ ratio, met }) => [ratio, met])).toEqual([
      [null, null],
      [1, true],
    ])
  })

  it('leave the first samples of a latency out', () => {
    const samples = Float64Array.from({ length: 80 }, (_, at) => (at < 10 ? 1000 : at - 9))
    expect(percentilesOf(samples)).toEqual({ p50Ms: 35, p99Ms: 70, p999Ms: 70 })
  })
})

describe('fetch frames', () => {
  it('are answered by our server with the records that are there', async () => {
    const broker = await testBroker()
    try {
      const { Kafka, logLevel } = kafkajs
      const kafka = new Kafka({ brokers: [...broker.brokers], logLevel: logLevel.NOTHING })
      const admin = kafka.admin()
      await admin.connect()
      await admin.createTopics({ topics: [{ topic: 'fetched', numPartitions: 2 }] })
      await admin.disconnect()
      const producer = kafka.producer()
      await producer.connect()
      const messages = [{ value: 'x'.repeat(1000), partition: 1 }]
      await producer.send({ topic: 'fetched', messages })
      await producer.disconnect()
      const port = Number(broker.brokers[0]!.split(':').at(-1))
      const plan = { topic: 'fetched', partitions: 2, maxBytesPerPartition: 65_536 }
      const [none, one] = fetchedPartitions(await ask(port, fetchRequest(plan)))
      expect(none).toEqual({ index: 0, error: 0, recordBytes: 0 })
      expect([one!.index, one!.error, one!.recordBytes > 1000]).toEqual([1, 0, true])
      const wrong = fetchRequest({ ...plan, topic: 'missing', partitions: 1 })
      expect(fetchedPartitions(await ask(port, wrong))[0]!.error).not.toBe(0)
    } finally {
      await broker.close()
    }
  })
})

describe.skipIf(process.platform !== 'linux')('usage of processes [/proc is of Linux]', () => {
  it('counts what a process and its children use', async () => {
    const burn = 'const until = Date.now() + 400; while (Date.now() < until);'
    const program = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(burn)}], { stdio: 'inherit' }).on('close', () => { console.log('done'); setInterval(() => {}, 1000) })`
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      await once(child.stdout!, 'data')
      const pids = [child.pid!]
      expect(cpuSecondsOf(pids)).toBeGreaterThan(0.1)
      expect(residentBytesOf(pids)).toBeGreaterThan(10e6)
      resetPeak(pids)
      expect(peakBytesOf(pids)).toBeGreaterThanOrEqual(residentBytesOf(pids) * 0.9)
    } finally {
      child.kill('SIGKILL')
    }
    await once(child, 'close')
    expect(cpuSecondsOf([child.pid!])).toBe(0)
  })
})

/** The whole answer to one request. */
async function ask(port: number, request: Buffer): Promise<Buffer> {
  const socket = connect({ host: '127.0.0.1', port })
  socket.write(request)
  const chunks: Buffer[] = []
  for await (const chunk of socket) {
    chunks.push(chunk as Buffer)
    const answer = Buffer.concat(chunks)
    if (answer.length >= 4 && answer.length >= answer.readInt32BE(0) + 4) {
      socket.destroy()
      return answer
    }
  }
  throw new Error('the connection was closed before the answer')
}
