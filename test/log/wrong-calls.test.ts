/**
 * Goal: a call that cannot mean anything is refused with a typed error, at once; it does not wait for
 * ever, and leaves nothing behind.
 */
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Log } from '../../src/log/log.ts'
import { repairStore } from '../../src/store/repair-store.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import { verifyStore } from '../../src/store/verify-store.ts'
import { openOn, simDisk } from '../support/log-inspection.ts'

const wrong = (value: unknown) => value as never
const invalid = { code: 'ERR_OPTION_INVALID' }
let store: Store
let log: Log

beforeEach(async () => {
  store = await openOn(simDisk())
  log = await store.log('t')
})

describe('a wait for a mark', () => {
  it.each([
    ['an unknown level', wrong('dsk'), 0],
    ['no level', wrong(undefined), 0],
    ['no offset', 'disk', wrong(undefined)],
    ['half an offset', 'os', 1.5],
    ['no number', 'committed', Number.NaN],
    ['a negative offset', 'disk', -1],
    ['a symbol', 'disk', wrong(Symbol('offset'))],
  ] as const)('refuses %s', async (_, level, offset) => {
    await expect(log.reached(level, offset)).rejects.toMatchObject(invalid)
  })

  it('refuses what is no signal, also for those who read', async () => {
    const options = { signal: wrong({}) }
    await expect(log.reached('os', 5, options)).rejects.toMatchObject(invalid)
    expect(() => log.read(options)).toThrow(expect.objectContaining(invalid))
    expect(() => log.follow(options)).toThrow(expect.objectContaining(invalid))
  })
})

describe('a listener that throws', () => {
  it('fails nobody but itself', async () => {
    const uncaught: unknown[] = []
    const later = vi.spyOn(globalThis, 'queueMicrotask')
    const told: string[] = []
    log.onAppend(() => {
      throw new Error('a listener of ours')
    })
    log.onAppend(() => told.push('the next one'))
    later.mockImplementation((work) => {
      try {
        work()
      } catch (error) {
        uncaught.push(error)
      }
    })
    const acked = log.append('a', { level: 'os' })
    later.mockRestore()
    expect((await acked).offset).toBe(0)
    expect(told).toEqual(['the next one'])
    expect(uncaught.map(String)).toEqual(['Error: a listener of ours'])
    expect(() => log.onAppend(wrong({}))).toThrow(expect.objectContaining(invalid))
  })
})

describe('a call with a value of the wrong type', () => {
  it.each(['topic', 'function'])('of a %s is refused', async (kind) => {
    const calls =
      kind === 'topic'
        ? [
            () => store.log(wrong(Object.create(null))),
            () => store.createTopic(wrong(Symbol('t'))),
            () => store.deleteTopic(wrong({})),
            () => store.alterTopicConfig(wrong(Object.create(null)), (config) => config),
          ]
        : [
            () => store.atomic(wrong({ level: 'os' })),
            () => store.alterTopicConfig('t', wrong({})),
            () => store.alterTopicDefaults('node', wrong(undefined)),
            () => store.alterTopicDefaults(wrong('rack'), (given) => given),
          ]
    const code = kind === 'topic' ? 'ERR_TOPIC_INVALID' : invalid.code
    // Thrown or rejected: a call in an async function does both alike.
    for (const call of calls) await expect((async () => call())()).rejects.toMatchObject({ code })
  })

  it('of what is to be told is refused before anything is opened', async () => {
    const telling = [
      () => openStore('/data', { onRecovery: wrong(5), fileSystem: simDisk() }),
      () => openStore('/data', { onRetentionWarning: wrong('log'), fileSystem: simDisk() }),
      () => verifyStore('/data', { onProgress: wrong({}), fileSystem: simDisk() }),
      () => repairStore('/data', { onProgress: wrong({}), fileSystem: simDisk() }),
    ]
    for (const call of telling) await expect((async () => call())()).rejects.toMatchObject(invalid)
  })

  it('of a partition or an epoch is refused', () => {
    expect(() => store.topic('t')?.log(wrong(Symbol('0')))).toThrow(/no partition of type symbol/)
    expect(() => log.endOfEpoch(wrong({}))).toThrow(expect.objectContaining(invalid))
  })
})
