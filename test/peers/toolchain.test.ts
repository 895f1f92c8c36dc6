// Goal: what is missing on a machine is found before a run, and named. Method: a path of folders made
// for the test.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { commandPath, isInstalled, missingTools } from '../../peers/toolchain.ts'
import {
  makeTemporaryDirectory,
  type TemporaryDirectory,
} from '../../src/platform/temporary-directory.ts'

let directory: TemporaryDirectory
beforeEach(() => {
  directory = makeTemporaryDirectory()
  const folders = ['first', 'second'].map((name) => join(directory.path, name))
  for (const folder of folders) mkdirSync(folder)
  vi.stubEnv('PATH', folders.join(delimiter))
})
afterEach(() => {
  vi.unstubAllEnvs()
  directory.remove()
})

function make(folder: string, name: string, mode: number): string {
  const path = join(directory.path, folder, name)
  writeFileSync(path, '')
  chmodSync(path, mode)
  return path
}

it('finds the first that can be run', () => {
  const second = make('second', 'broker', 0o755)
  expect(commandPath('broker')).toBe(second)
  const first = make('first', 'broker', 0o755)
  expect(commandPath('broker')).toBe(first)
})

it('finds nothing that cannot be run', () => {
  make('first', 'broker', 0o644)
  expect([commandPath('broker'), isInstalled('broker')]).toEqual([undefined, false])
})

it('names what is missing', () => {
  make('first', 'java', 0o755)
  expect(missingTools(['java'])).toBeUndefined()
  expect(missingTools(['broker', 'java', 'mvn'])).toBe('no broker, no mvn')
})
