/**
 * Every bench runs with tiny inputs, so that none rots; the figures themselves are not looked at.
 * The engines of bench/compare are not needed here.
 */
import { readdirSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { runChronicle } from '../bench/compare/chronicle/run-chronicle.ts'
import { shareOf, type Workload } from '../bench/compare/workload.ts'
import { parseDurableOptions } from '../bench/durable/options.ts'
import { Replayer } from '../bench/net/replayer.ts'
import { metric, resultTarget } from '../bench/support/results.ts'
import { latencyOf, median, percentile } from '../bench/support/statistics.ts'
import { bar, figure } from '../bench/support/table.ts'
import { atLeast, atMost, verdict } from '../bench/support/target.ts'

const folder = join(dirname(dirname(fileURLToPath(import.meta.url))), 'bench')
const benches = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.bench.ts') && !path.includes('node_modules'))
  .sort()

describe('every bench', () => {
  it.each(benches)('runs with tiny inputs: %s', async (path) => {
    const bench = await import(/* @vite-ignore */ pathToFileURL(join(folder, path)).href)
    const rows = await bench.run({ tiny: true })
    expect(rows.length).toBeGreaterThan(0)
  })
})

describe('bench statistics', () => {
  it('takes the middle of the values, or the mean of the two middle ones', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 3, 2])).toBe(2.5)
  })

  it('takes percentiles by nearest rank', () => {
    const samples = Float64Array.from({ length: 1000 }, (_, i) => 1000 - i)
    expect(percentile(samples, 0.5)).toBe(500)
    expect(latencyOf(samples)).toEqual({ p50Us: 500_000, p99Us: 990_000, p999Us: 999_000 })
    expect(percentile(Float64Array.of(7), 0.999)).toBe(7)
  })

  it('prints three significant digits', () => {
    expect([0, 0.012345, 9.876, 99.96, 1234, 12_345, 1_234_567].map(figure)).toEqual([
      '0',
      '0.0123',
      '9.88',
      '100',
      '1234',
      '12.3 k',
      '1.23 M',
    ])
  })
})

describe('bench results', () => {
  it('keep every round beside the median', () => {
    expect(metric([3, 1, 2], 'MB/s')).toEqual({ median: 2, values: [3, 1, 2], unit: 'MB/s' })
  })

  it('say of a target whether it is met, or that there is no figure', () => {
    const from = 'a test'
    const found = [2, 1.9, Number.NaN].map((ratio) =>
      resultTarget(atLeast('a', ratio, 2, { from })),
    )
    expect(found.map(({ met }) => met)).toEqual([true, false, null])
    expect(found.map(({ ratio }) => ratio)).toEqual([2, 1.9, null])
  })

  it('are drawn as bars to an eighth of a character, and never as nothing', () => {
    expect([8, 4, 1, 0.001, 0].map((value) => bar(value, 8, 4))).toEqual([
      '████',
      '██',
      '▌',
      '▏',
      '',
    ])
  })
})

describe('Chronicle Queue', () => {
  it('is not run, and says so, where there is no Java', () => {
    const path = process.env['PATH']
    process.env['PATH'] = ''
    try {
      expect(runChronicle('nowhere', {} as Workload, 1000)).toBe('not run: no java')
    } finally {
      process.env['PATH'] = path
    }
  })

  it('does the same work as the others, but hypercore a fortieth of it', () => {
    const workload: Workload = {
      records: 80_000,
      valueBytes: 100,
      batchRecords: 1000,
      warmUpBatches: 20,
      singleAppends: 4000,
      sends: 8000,
      randomReads: 400,
      steadyMs: 300,
    }
    expect(shareOf('chronicle-queue', workload)).toEqual(workload)
    expect(shareOf('hypercore', workload)).toEqual({
      records: 2000,
      valueBytes: 100,
      batchRecords: 1000,
      warmUpBatches: 1,
      singleAppends: 100,
      sends: 200,
      randomReads: 10,
      steadyMs: 300,
    })
  })
})

describe('the replayer of bench/net', () => {
  // Goal: answers are told apart wherever the chunks of the socket end, and a wrong one ends the run.
  const served = async (pieces: readonly Buffer[]) => {
    const server = createServer((socket) => {
      socket.once('data', async () => {
        for (const piece of pieces) {
          socket.write(piece)
          await new Promise((resolve) => setImmediate(resolve))
        }
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const replayer = await Replayer.connect((server.address() as AddressInfo).port)
    const close = () => {
      replayer.close()
      server.close()
    }
    return { replayer, close }
  }
  const answer = (bytes: number, mark: number) => {
    const frame = Buffer.alloc(4 + bytes)
    frame.writeInt32BE(bytes, 0)
    frame[4] = mark
    return frame
  }
  const request = () => Buffer.from('x')

  it.each([1, 2, 3, 5, 7, 100])('reads answers in pieces of %i bytes', async (pieceBytes) => {
    const stream = Buffer.concat([answer(1, 10), answer(9, 11), answer(30, 12)])
    const pieces = Array.from({ length: Math.ceil(stream.length / pieceBytes) }, (_, i) =>
      stream.subarray(i * pieceBytes, (i + 1) * pieceBytes),
    )
    const { replayer, close } = await served(pieces)
    const seen: number[][] = []
    const onAnswer = (index: number, head: Buffer, bytes: number) => {
      seen.push([index, head[4]!, bytes])
    }
    await replayer.run({ count: 3, inFlight: 3, request, headBytes: 5, onAnswer })
    expect(seen).toEqual([
      [0, 10, 5],
      [1, 11, 13],
      [2, 12, 34],
    ])
    close()
  })

  it('ends with the error of the one who looks at the answers, and with that of the server', async () => {
    const { replayer, close } = await served([answer(1, 10)])
    const onAnswer = () => {
      throw new Error('offset 7 instead of 8')
    }
    const replay = { count: 1, inFlight: 1, request, headBytes: 5, onAnswer }
    await expect(replayer.run(replay)).rejects.toThrow('offset 7 instead of 8')
    const next = replayer.run(replay)
    close()
    await expect(next).rejects.toThrow('the server closed the connection')
  })
})

describe('bench:durable', () => {
  it('takes its arguments, and refuses what it does not know', () => {
    const { recoveryGb, parts } = parseDurableOptions([
      '--recovery-gb',
      '0.5',
      '--only',
      'recovery',
    ])
    expect([recoveryGb, parts]).toEqual([0.5, ['recovery']])
    expect(parseDurableOptions([]).parts).toEqual(['appenders', 'os-level', 'recovery'])
    expect(() => parseDurableOptions(['--recovery', '5'])).toThrow('unknown argument --recovery')
    expect(() => parseDurableOptions(['--rounds'])).toThrow('--rounds has no value')
    expect(() => parseDurableOptions(['--rounds', 'many'])).toThrow('expected a number above 0')
    expect(() => parseDurableOptions(['--only', 'all'])).toThrow('--only all')
  })

  it('judges a bound inclusively, and not without a figure', () => {
    const from = 'a test'
    expect(
      [1.5, 1.51, Number.NaN].map((found) => verdict(atMost('', found, 1.5, { from }))),
    ).toEqual(['✓', '✗', '–'])
    expect([3, 2.99, Number.NaN].map((found) => verdict(atLeast('', found, 3, { from })))).toEqual([
      '✓',
      '✗',
      '–',
    ])
  })
})
