/**
 * The examples run as a user would run them: compiled against the built package, importing
 * `stratalog` by name, each in an empty directory of its own, and a second time where it left its
 * data. The word count is also killed in the middle, thirty times.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { withTemporaryDirectory } from './support/temporary-directory.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const compiled = join(root, '.cache', 'examples')

/** What each example shows, in the order it prints it. */
const expected: Record<string, readonly RegExp[]> = {
  '01-append-and-read': [/^offset 0, level disk: o-17 = \{"item":"tea","count":2\}$/],
  '02-writer': ['none', 'gzip', 'snappy', 'lz4', 'zstd'].map(
    (codec) => new RegExp(`^${codec}: 5000 records in \\d+ bytes, level disk$`),
  ),
  '03-follow': [
    /^followed: 20.5 °C$/,
    /^followed: 21 °C$/,
    /^followed: 21.5 °C$/,
    /^stopped after 3 records$/,
  ],
  '04-time-lookup': [
    /^hour 20.5 → 21 h after the start$/,
    /^visit in hour 21$/,
    /^visit in hour 22$/,
    /^visit in hour 23$/,
  ],
  '05-embedded-server': [/^en: hello$/, /^fr: bonjour$/],
  '08-word-count': [
    /^Node: 1$/,
    /^is: 2$/,
    /^log: 2$/,
    /^queue: 2$/,
    /^store: 1$/,
    /^the: 5$/,
    /^under: 1$/,
  ],
  '10-kafka-like': [
    /^o-18: 1 × tea$/,
    /^o-17: 1 × tea$/,
    /^o-17: 1 × milk$/,
    /^o-17: 1 × cups$/,
    /^0 orders left to bill$/,
  ],
  '11-rocketmq-like': [/^new: order 1$/, /^new: order 2$/, /^3 pointers in the queue$/],
  '12-rabbitmq-like': [
    /^resize, redelivered: true$/,
    /^done: resize$/,
    /^done: archive$/,
    /^0 messages left$/,
  ],
}

const names = readdirSync(join(root, 'examples'))
  .filter((file) => /^\d\d-[^.]+\.ts$/.test(file))
  .map((file) => file.slice(0, -'.ts'.length))

describe('examples', () => {
  beforeAll(() => {
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    runNode(root, tsc, '-p', join(root, 'examples'))
  })

  it('are all known to this test', () => {
    expect(names.sort()).toEqual(Object.keys(expected).sort())
  })

  it.each(names)('%s shows what it promises, and again on the data it left', async (name) => {
    await withTemporaryDirectory(async (directory) => {
      const program = join(compiled, `${name}.js`)
      const lines = runNode(directory, program).trimEnd().split('\n')
      const patterns = expected[name] ?? []
      expect(lines).toEqual(patterns.map((pattern) => expect.stringMatching(pattern)))
      expect(runNode(directory, program)).toContain(lines.at(-1)?.split(' ')[0])
    })
  })
})

describe('the word count', () => {
  it('counts every word once, though it is killed thirty times', async () => {
    const words = Array.from({ length: 1500 }, (_, i) => [`w${i % 13}`, `w${i % 7}`, `w${i % 13}`])
    const counts = new Map<string, number>()
    for (const word of words.flat()) counts.set(word, (counts.get(word) ?? 0) + 1)
    const expectedLines = [...counts].map(([word, count]) => `${word}: ${count}`).sort()
    let kills = 0
    let wholeMs = 0
    while (kills < 30) {
      await withTemporaryDirectory(async (directory) => {
        writeFileSync(join(directory, 'text'), words.map((line) => line.join(' ')).join('\n'))
        // The first shows how long it takes here; and none is killed for ever on a machine that is slow.
        const mostKills = wholeMs === 0 ? 0 : 5
        let output: string | undefined
        for (let killed = 0; output === undefined; killed++) {
          const start = performance.now()
          const afterMs = killed < mostKills ? Math.random() * wholeMs : undefined
          output = await runAndKill(directory, afterMs)
          if (output === undefined) kills++
          else if (wholeMs === 0) wholeMs = performance.now() - start
        }
        expect(output.trimEnd().split('\n').sort()).toEqual(expectedLines)
      })
    }
  })
})

/** Kills the word count after a while, if told so; its output when it was done before. */
async function runAndKill(cwd: string, afterMs: number | undefined): Promise<string | undefined> {
  const args = [join(compiled, '08-word-count.js'), 'text']
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  const timer = afterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), afterMs)
  const [stdout, stderr, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  clearTimeout(timer)
  if (signal === 'SIGKILL') return undefined
  expect([code, stderr]).toEqual([0, ''])
  return stdout
}

describe('examples of tests', () => {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')

  it('pass with node:test', () => {
    const output = runNode(compiled, '--test', join(compiled, '06-node.test.js'))
    expect(output).toMatch(/pass 1\n/)
    expect(output).toMatch(/fail 0\n/)
  })

  it('pass with vitest', () => {
    const output = runNode(join(root, 'examples'), vitest, 'run', '--reporter', 'json')
    expect(JSON.parse(output)).toMatchObject({ numPassedTests: 1, numTotalTests: 1 })
  })
})

/** Runs a program with this Node in `cwd`; its standard output. */
function runNode(cwd: string, ...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, args, {
    cwd,
    encoding: 'utf8',
    timeout: 280_000,
  })
  if (error !== undefined) throw error
  expect(stderr).toBe('')
  expect(status, stdout).toBe(0)
  return stdout
}
