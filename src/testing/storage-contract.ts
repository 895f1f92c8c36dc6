/**
 * What every `LogStorage` must do, as tests that run under vitest, node:test, or whatever else has
 * `describe` and `it`.
 *
 *     import { describe, it } from 'node:test'
 *     import { storageContract } from 'stratalog/testing'
 *
 *     storageContract(() => makePlace(), { name: 'my storage', describe, it })
 *
 * A broker's author runs it over a storage of his own, or over ours with his own settings. Each
 * test begins in an empty place. No test waits for a time to pass.
 */
import { InvalidOptionError } from '../base/errors.ts'
import { knownOptions } from '../base/option-fields.ts'
import { powerLossTests, processCrashTests, reopeningTests } from './contract/crash-tests.ts'
import { cutTests } from './contract/cut-tests.ts'
import { groupKillTests, groupPowerTests, groupTests } from './contract/group-tests.ts'
import { appendTests, expectedOffsetTests, levelTests, readTests } from './contract/log-tests.ts'
import { tableTests } from './contract/table-tests.ts'
import { Trial, type TrialBody } from './contract/trial.ts'
import { wrongUseTests } from './contract/wrong-use-tests.ts'
import type { StorageFactory } from './storage-under-test.ts'

const sections = {
  appends: appendTests,
  levels: levelTests,
  reads: readTests,
  'trim and truncate': cutTests,
  'expected offsets': expectedOffsetTests,
  tables: tableTests,
  groups: groupTests,
  reopening: reopeningTests,
  'process crash': processCrashTests,
  'power loss': powerLossTests,
  'groups after a process crash': groupKillTests,
  'groups after power loss': groupPowerTests,
  'wrong use': wrongUseTests,
} as const

export type ContractSection = keyof typeof sections

/** The two functions of a test runner that are used; those of vitest and node:test fit. */
export type TestFunctions = {
  readonly describe: TestFunction
  readonly it: TestFunction
}

export type TestFunction = (name: string, body: () => void | Promise<void>) => unknown

export type ContractOptions = Partial<TestFunctions> & {
  /** Default: `a log storage`. */
  readonly name?: string
  /**
   * Sections to leave out, because the storage or the factory does not offer what they test. All
   * others run: without `atomic`, `kill` or `cutPower` they fail and say what to leave out.
   */
  readonly without?: readonly ContractSection[]
}

/**
 * Defines the tests.
 *
 * @param options  `describe` and `it` default to globals of those names.
 * @throws InvalidOptionError.
 */
export function storageContract(factory: StorageFactory, options: ContractOptions = {}): void {
  knownOptions('storageContract', options, ['name', 'without', 'describe', 'it'])
  if (typeof factory !== 'function') {
    const expected = 'a function that makes an empty place'
    throw new InvalidOptionError({ option: 'factory', value: factory, expected })
  }
  const { name = 'a log storage', without = [] } = options
  const names = Object.keys(sections) as ContractSection[]
  for (const value of without) {
    if (names.includes(value)) continue
    throw new InvalidOptionError({ option: 'without', value, expected: `some of ${names}` })
  }
  const describe = testFunction('describe', options.describe)
  const it = testFunction('it', options.it)
  describe(name, () => {
    for (const section of names) {
      if (without.includes(section)) continue
      describe(section, () => {
        sections[section]((title: string, body: TrialBody) => {
          it(title, () => Trial.run(factory, body))
        })
      })
    }
  })
}

function testFunction(option: keyof TestFunctions, given: TestFunction | undefined): TestFunction {
  const value = given ?? (globalThis as Partial<TestFunctions>)[option]
  if (typeof value === 'function') return value
  const expected = `a test runner's ${option}, where there is no global one`
  throw new InvalidOptionError({ option, value, expected })
}
