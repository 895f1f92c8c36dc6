// Goal: a command of a suite ends at its limit, with all it started, and what it said is kept.
// Method: small Node programs; one of them starts another that would run on.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Child, killAll } from '../../peers/child.ts'
import {
  makeTemporaryDirectory,
  type TemporaryDirectory,
} from '../../src/platform/temporary-directory.ts'

const neverMs = 100_000

const parentOfSleeper = `
  const { spawn } = require('node:child_process')
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  console.log('child ' + child.pid)
  setInterval(() => {}, 1000)`

let directory: TemporaryDirectory
beforeEach(() => {
  directory = makeTemporaryDirectory()
})
afterEach(() => directory.remove())

function start(program: string, limitMs = neverMs, input?: string): Child {
  const log = join(directory.path, 'log')
  const options = { limitMs, log, graceMs: 50, ...(input === undefined ? {} : { input }) }
  return new Child(process.execPath, ['-e', program], options)
}

it('keeps both streams, apart and in the log', async () => {
  const child = start('process.stdin.pipe(process.stdout); console.error("bad")', neverMs, 'in\n')
  const { code, stdout, stderr, isTimedOut } = await child.ended
  expect({ code, stdout, stderr, isTimedOut }).toEqual({
    code: 0,
    stdout: 'in\n',
    stderr: 'bad\n',
    isTimedOut: false,
  })
  const log = readFileSync(join(directory.path, 'log'), 'utf8')
  expect(log).toContain('in\n')
  expect(log).toContain('bad\n')
})

it('ends a command at its limit', async () => {
  const { isTimedOut, signal } = await start('setInterval(() => {}, 1000)', 1).ended
  expect({ isTimedOut, signal }).toEqual({ isTimedOut: true, signal: 'SIGTERM' })
})

it('stops a command together with what it started', async () => {
  const child = start(parentOfSleeper)
  const [, pid] = await child.said(/child (\d+)/)
  child.stop()
  const { signal, isTimedOut } = await child.ended
  expect({ signal, isTimedOut }).toEqual({ signal: 'SIGTERM', isTimedOut: false })
  await expectGone(Number(pid))
})

it('kills a command that does not stop when it is asked to', async () => {
  const program = `process.on('SIGTERM', () => {})
    setInterval(() => {}, 1000)
    console.log('ready')`
  const child = start(program, neverMs)
  await child.said(/ready/)
  child.stop()
  expect((await child.ended).signal).toBe('SIGKILL')
})

it('kills what a command has left behind', async () => {
  const child = start(`${parentOfSleeper}; process.exit()`)
  const { stdout, code } = await child.ended
  expect(code).toBe(0)
  await expectGone(Number(/child (\d+)/.exec(stdout)![1]))
})

it('ends with code 127 where there is no such command', async () => {
  const child = new Child('no-such-command', [], {
    limitMs: neverMs,
    log: join(directory.path, 'l'),
  })
  const { code, stderr } = await child.ended
  expect(code).toBe(127)
  expect(stderr).toContain('ENOENT')
})

it('tells when something was said, and fails when it never will be', async () => {
  const child = start('console.log("port 12"); process.stdin.resume()')
  expect((await child.said(/port (\d+)/))[1]).toBe('12')
  await expect(child.said(/never/)).rejects.toThrow('ended without saying /never/')
})

it('kills every command that runs', async () => {
  const child = start(parentOfSleeper)
  const [, pid] = await child.said(/child (\d+)/)
  killAll()
  expect((await child.ended).signal).toBe('SIGKILL')
  await expectGone(Number(pid))
})

/** The kernel takes a killed process away when that next runs: nobody is told, so this looks again. */
async function expectGone(pid: number): Promise<void> {
  await expect.poll(() => stateOf(pid), { timeout: neverMs, interval: 5 }).toMatch(/gone|Z|X/)
}

function stateOf(pid: number): string {
  try {
    return /\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))![1]!
  } catch {
    return 'gone'
  }
}
