/**
 * Goal: at most one live process holds a directory, a second one learns who, and nobody is locked
 * out by the dead. Method: real child processes run the built package (dist/), held and killed by
 * the test; each pairing of kernel lock and file lock is tried.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs, {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StorageError, StoreLockedError } from '../../src/base/errors.ts'
import { binding } from '../../src/native/load-binding.ts'
import { lockDirectory } from '../../src/platform/directory-lock.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const built = `${root}/dist/platform/directory-lock.js`
const isBuilt = existsSync(built)
const isAddon = binding.kind === 'addon'

let directory: ReturnType<typeof makeTemporaryDirectory>
const children: ChildProcess[] = []

beforeEach(() => {
  directory = makeTemporaryDirectory()
})

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  directory.remove()
})

/** Starts a process that tries the lock, says how it went, and ends when its input does. */
async function startHolder(
  setting: 'auto' | 'portable',
): Promise<{ child: ChildProcess; said: string }> {
  const program = `
    import { lockDirectory } from ${JSON.stringify(pathToFileURL(built).href)}
    try {
      const lock = lockDirectory(${JSON.stringify(directory.path)})
      process.stdin.once('data', () => { lock.release(); process.stdin.destroy() })
      process.stdout.write('locked')
    } catch (error) {
      process.stdout.write(error.code + ' ' + error.holderPid)
      process.stdin.destroy()
    }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, STRATALOG_BINDING: setting },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.push(child)
  const [said] = await once(child.stdout!, 'data')
  return { child, said: String(said) }
}

function expectRefusal(holderPid: number | undefined): void {
  expect(() => lockDirectory(directory.path)).toThrow(StoreLockedError)
  expect(() => lockDirectory(directory.path)).toThrow(
    expect.objectContaining({ code: 'ERR_STORE_LOCKED', path: directory.path, holderPid }),
  )
}

describe('lock file', () => {
  it('names its holder and is gone after the release', () => {
    const lock = lockDirectory(directory.path)
    const text = readFileSync(`${directory.path}/.lock`, 'latin1')
    expect(text).toMatch(new RegExp(`^${process.pid} \\S+ ${isAddon ? 'kernel' : 'pid'}\\n$`))
    expectRefusal(process.pid)
    lock.release()
    expect(readdirSync(directory.path)).toEqual([])
  })

  it('ends although the disk refuses to remove its file', () => {
    const lock = lockDirectory(directory.path)
    renameSync(directory.path, `${directory.path}.aside`)
    writeFileSync(directory.path, 'no directory: every path below it is refused')
    try {
      if (isAddon) lock.release()
      else expect(() => lock.release()).toThrow(StorageError)
    } finally {
      rmSync(directory.path)
      renameSync(`${directory.path}.aside`, directory.path)
    }
    if (isAddon) lockDirectory(directory.path).release()
    else expectRefusal(process.pid)
  })

  it.each([
    ['empty, as a Kafka broker leaves it', ''],
    ['of a process that is dead', '4194000 12345@boot pid\n'],
    ['of a process that had the id of one that lives', `${process.pid} 1@another-boot pid\n`],
    ['of no known form', 'someone was here\n'],
  ])('is taken over when it is %s', (_, content) => {
    writeFileSync(`${directory.path}/.lock`, content)
    const lock = lockDirectory(directory.path)
    expectRefusal(process.pid)
    lock.release()
    expect(readdirSync(directory.path)).toEqual([])
  })

  it('is taken over from processes that died taking it over', () => {
    const dead = '4194000 12345@boot pid\n'
    const left = ['.lock', '.lock.turn', '.lock.turn.turn', '.lock.4194000.0123abcd']
    for (const name of left) writeFileSync(`${directory.path}/${name}`, dead)
    const lock = lockDirectory(directory.path)
    expect(readdirSync(directory.path)).toEqual(['.lock'])
    lock.release()
  })
})

describe('lock on a file system without hard links', () => {
  const { linkSync } = fs

  beforeEach(() => {
    fs.linkSync = () => {
      throw Object.assign(new Error('no links'), { code: 'EPERM' })
    }
    syncBuiltinESMExports()
  })
  afterEach(() => {
    fs.linkSync = linkSync
    syncBuiltinESMExports()
  })

  it("is the kernel's, or is refused with what link(2) says", () => {
    if (isAddon) {
      const lock = lockDirectory(directory.path)
      expectRefusal(process.pid)
      lock.release()
    } else expect(() => lockDirectory(directory.path)).toThrow('no links')
    expect(readdirSync(directory.path).filter((name) => name !== '.lock')).toEqual([])
  })
})

describe.skipIf(process.platform !== 'linux')('lock of a zombie [skipped outside Linux]', () => {
  it('is taken over although nobody reaped the dead holder', async () => {
    // The shell starts a child, prints its id and becomes a program that never waits for it; the child
    // ends when it sees that, for the shell itself would reap it.
    const child = '(while read name < /proc/$$/comm && [ "$name" != sleep ]; do :; done)'
    const parent = spawn('sh', ['-c', `${child} & echo $!; exec sleep 60`])
    children.push(parent)
    const [said] = await once(parent.stdout!, 'data')
    const pid = Number(String(said))
    const isZombie = (): boolean => / Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
    while (!isZombie()) await new Promise((resolve) => setImmediate(resolve))
    writeFileSync(`${directory.path}/.lock`, `${pid} - pid\n`)
    lockDirectory(directory.path).release()
  })

  it('whose turn it was is taken over, and not before it died', () => {
    const other = spawn('sh', ['-c', 'sleep 0.2'])
    children.push(other)
    writeFileSync(`${directory.path}/.lock.turn`, `${other.pid} - pid\n`)
    lockDirectory(directory.path).release()
    // Nobody could reap it: this thread waited all the time.
    expect(readFileSync(`/proc/${other.pid}/stat`, 'latin1')).toMatch(/ Z /)
    expect(readdirSync(directory.path)).toEqual([])
  })
})

describe.skipIf(!isBuilt)('lock between processes [skipped where dist/ is not built]', () => {
  it.each(['auto', 'portable'] as const)(
    'refuses while another process holds it (%s)',
    async (setting) => {
      const { child, said } = await startHolder(setting)
      expect(said).toBe('locked')
      expectRefusal(child.pid)
      const ended = once(child, 'close')
      child.stdin!.write('release')
      await ended
      lockDirectory(directory.path).release()
      expect(readdirSync(directory.path)).toEqual([])
    },
  )

  it.each(['auto', 'portable'] as const)('is refused to another process (%s)', async (setting) => {
    const lock = lockDirectory(directory.path)
    expect((await startHolder(setting)).said).toBe(`ERR_STORE_LOCKED ${process.pid}`)
    lock.release()
    expect((await startHolder(setting)).said).toBe('locked')
  })

  it.each(['auto', 'portable'] as const)(
    'is free once its holder was killed (%s)',
    async (setting) => {
      const { child } = await startHolder(setting)
      const ended = once(child, 'close')
      child.kill('SIGKILL')
      await ended
      expect(existsSync(`${directory.path}/.lock`)).toBe(true)
      const lock = lockDirectory(directory.path)
      expectRefusal(process.pid)
      lock.release()
    },
  )

  it('goes to one of many that want it at once', async () => {
    writeFileSync(`${directory.path}/.lock`, '4194000 12345@boot pid\n')
    const settings = ['auto', 'portable', 'auto', 'portable'] as const
    const contenders = await Promise.all(settings.map((setting) => startHolder(setting)))
    const winners = contenders.filter(({ said }) => said === 'locked')
    expect(winners).toHaveLength(1)
  })

  it('has one holder at a time while many take, release and die', async () => {
    const rounds = 1000
    const program = `
      import fs from 'node:fs'
      import { lockDirectory } from ${JSON.stringify(pathToFileURL(built).href)}
      const directory = ${JSON.stringify(directory.path)}
      const witness = directory + '/witness'
      let taken = 0
      for (let round = 0; round < ${rounds}; round++) {
        let lock
        try { lock = lockDirectory(directory) } catch (error) {
          if (error.code !== 'ERR_STORE_LOCKED') throw error
          continue
        }
        taken++
        fs.closeSync(fs.openSync(witness, 'wx'))
        fs.rmSync(witness)
        lock.release()
        // What a holder that was killed leaves, unless somebody was quicker.
        const stale = directory + '/stale.' + process.pid
        fs.writeFileSync(stale, '4194000 12345@boot pid\\n')
        try { fs.linkSync(stale, directory + '/.lock') } catch (error) {
          if (error.code !== 'EEXIST') throw error
        }
        fs.rmSync(stale)
      }
      process.stdout.write(String(taken))`
    const settings = ['auto', 'portable', 'auto', 'portable'] as const
    const counts = await Promise.all(
      settings.map(async (setting) => {
        const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
          env: { ...process.env, STRATALOG_BINDING: setting },
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        children.push(child)
        let said = ''
        child.stdout.on('data', (text) => (said += String(text)))
        const [code] = await once(child, 'close')
        return { code: code as number, taken: Number(said) }
      }),
    )
    expect(counts.map(({ code }) => code)).toEqual([0, 0, 0, 0])
    expect(Math.min(...counts.map(({ taken }) => taken))).toBeGreaterThan(0)
    lockDirectory(directory.path).release()
    expect(readdirSync(directory.path)).toEqual([])
  })
})
