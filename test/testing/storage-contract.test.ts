/**
 * Goal: our store and the storage in memory do what the contract of stratalog/testing says, and the
 * contract sees when one does not.
 * Method: the contract runs here over the store on the simulated disk, whose crashes are drawn from
 * seeds, on the real disk, and over the memory; once more under node:test; and over three storages
 * that are broken on purpose, whose failures are collected and named.
 */
import { spawnSync } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { InvalidOptionError } from '../../src/base/errors.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { openStore } from '../../src/store/store.ts'
import type { MemoryLog } from '../../src/testing/memory-log.ts'
import { memoryStorage } from '../../src/testing/memory-storage.ts'
import type { MemoryTable } from '../../src/testing/memory-table.ts'
import { storageContract } from '../../src/testing/storage-contract.ts'
import type { StorageUnderTest } from '../../src/testing/storage-under-test.ts'
import { openOn, simDisk, smallSegments } from '../support/log-inspection.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

let seed = 1

/** The store on the simulated disk. */
const simulated = (config: Readonly<Record<string, string>>) => (): StorageUnderTest => {
  let disk: SimFileSystem = simDisk(seed++)
  return {
    open: () => openOn(disk, { config }),
    kill() {
      disk = disk.processCrash()
    },
    cutPower() {
      disk = disk.crash()
    },
  }
}

/** The store in a temporary directory, with its defaults. */
function onDisk(): StorageUnderTest {
  const directory = makeTemporaryDirectory()
  return { open: () => openStore(directory.path), remove: () => directory.remove() }
}

storageContract(simulated({}), { name: 'the store on the simulated disk', describe, it })
storageContract(simulated(smallSegments), {
  name: 'the store with segments of 1 KiB',
  // Some of these batches do not fit.
  without: ['appends', 'reads'],
  describe,
  it,
})
storageContract(onDisk, {
  name: 'the store on the real disk',
  // Other processes do that to it: npm run crash:kill, crash:power.
  without: [
    'process crash',
    'power loss',
    'groups after a process crash',
    'groups after power loss',
  ],
  describe,
  it,
})
storageContract(memoryStorage, { name: 'the storage in memory', describe, it })

describe('the contract', () => {
  it('is kept by what the broken storages are made of', async () => {
    expect(await failuresOf(() => altered({}))).toEqual([])
  })

  it('sees a storage that drops a tail', async () => {
    const failures = await failuresOf(() => altered({ onReopenLog: dropTail }))
    expect(failures).toContain('reopening > finds logs as they were')
    expect(failures).toContain('process crash > keeps what is acknowledged at os')
    expect(failures).toContain('power loss > keeps what is acknowledged at disk')
    expect(failures.filter((name) => /^(appends|reads|tables)/.test(name))).toEqual([])
  })

  it('sees a storage that reorders', async () => {
    const failures = await failuresOf(() => altered({ onLog: delayUnlessDurable }))
    expect(failures).toContain('appends > stores appends that overlap in the order of the calls')
    expect(failures.filter((name) => name.startsWith('tables'))).toEqual([])
  })

  it('sees a storage that forgets a table put', async () => {
    const failures = await failuresOf(() => altered({ onTable: forgetEveryFifthPut }))
    expect(failures).toContain('reopening > finds tables as they were')
    expect(
      failures.filter((name) => /^tables > does what a sorted map does/.test(name)),
    ).toHaveLength(3)
    expect(failures.filter((name) => /^(appends|reads|levels)/.test(name))).toEqual([])
  })

  it('says what to leave out for a factory that offers less', async () => {
    const failures = await failuresOf(
      () => {
        const { open } = memoryStorage()
        return { open }
      },
      { sections: /^(process crash|power loss)/ },
    )
    expect(failures.length).toBeGreaterThan(10)
    const offered = { describe: () => {}, it: () => {} }
    expect(() =>
      storageContract(memoryStorage, { ...offered, without: ['tails' as never] }),
    ).toThrow(InvalidOptionError)
    expect(() => storageContract(7 as never, offered)).toThrow(InvalidOptionError)
    expect(() => storageContract(memoryStorage, { describe: offered.describe })).toThrow(
      InvalidOptionError,
    )
  })

  it('runs under node:test, from the built package', () => {
    const sound = runUnderNodeTest('memoryStorage')
    expect(sound.stdout).toMatch(/^\S+ pass [5-9]\d$/m)
    expect(sound.stdout).toMatch(/^\S+ fail 0$/m)
    expect(sound.status).toBe(0)
    const broken = runUnderNodeTest('() => ({ open: () => memoryStorage().open() })')
    expect(broken.stdout).toMatch(/^\S+ fail [1-9]\d*$/m)
    expect(broken.stdout).toContain('the factory offers no kill')
    expect(broken.status).toBe(1)
  })
})

function runUnderNodeTest(factory: string): { status: number | null; stdout: string } {
  const program = `import { describe, it } from 'node:test'
    import { memoryStorage, storageContract } from 'stratalog/testing'
    storageContract(${factory}, { name: 'under node:test', describe, it })`
  const args = ['--test-reporter=tap', '--input-type=module', '--eval', program]
  return spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', timeout: 280_000 })
}

/** Runs the contract without a runner. Names of the tests that fail, `section > test`. */
async function failuresOf(
  factory: () => StorageUnderTest,
  { sections = /./ }: { readonly sections?: RegExp } = {},
): Promise<string[]> {
  const path: string[] = []
  const tests: { readonly name: string; readonly body: () => void | Promise<void> }[] = []
  storageContract(factory, {
    describe(name, define) {
      path.push(name)
      void define()
      path.pop()
    },
    it(name, body) {
      tests.push({ name: [...path.slice(1), name].join(' > '), body })
    },
  })
  const failures: string[] = []
  for (const { name, body } of tests) {
    if (!sections.test(name)) continue
    try {
      await body()
    } catch {
      failures.push(name)
    }
  }
  return failures
}

type Alterations = {
  readonly onLog?: (log: MemoryLog) => void
  readonly onReopenLog?: (log: MemoryLog) => void
  readonly onTable?: (table: MemoryTable) => void
}

/** The storage in memory, with something done to each of its logs and tables. */
function altered({ onLog, onReopenLog, onTable }: Alterations): StorageUnderTest {
  const place = memoryStorage()
  let opens = 0
  return {
    ...place,
    async open() {
      const storage = await place.open()
      const isReopened = opens++ > 0
      const known = new Set<unknown>()
      const once = <Handle>(handle: Handle, alter?: (handle: Handle) => void): Handle => {
        if (!known.has(handle)) alter?.(handle)
        known.add(handle)
        return handle
      }
      const { log, table } = storage
      storage.log = async (name) =>
        once(await log.call(storage, name), isReopened ? onReopenLog : onLog)
      storage.table = async (name, spec) => once(await table.call(storage, name, spec), onTable)
      return storage
    },
  }
}

/** The last batch is not there any more. */
function dropTail(log: MemoryLog): void {
  if (log.endOffset > log.startOffset) log.truncate(log.endOffset - 1)
}

/** What nobody waits for is overtaken by what somebody does. */
function delayUnlessDurable(log: MemoryLog): void {
  const { append } = log
  log.append = async (records, options = {}) => {
    if (options.level !== undefined && options.level !== 'disk') await Promise.resolve()
    return append.call(log, records, options)
  }
}

function forgetEveryFifthPut(table: MemoryTable): void {
  const { put } = table
  let count = 0
  table.put = async (key, value, options) => {
    if (++count % 5 !== 0) await put.call(table, key, value, options)
  }
}
