/**
 * Goal: a group is all there or not at all, whatever stops it, and is seen whole at once.
 * Method: groups over two logs and a table on the simulated disk, ended at every operation by every
 * class of crash and by the death of the process; faults at every operation; wrong use.
 */
import { describe, expect, it } from 'vitest'
import { crashClasses } from '../../src/platform/sim-crash-class.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import type { Store } from '../../src/store/store.ts'
import { expectDense, isSimCrash, openOn, simDisk, valuesIn } from '../support/log-inspection.ts'
import { SteppedClock } from '../support/stepped-clock.ts'

const codecs = { key: 'string', value: 'uint64' } as const

async function opened(disk: SimFileSystem, options = {}) {
  const store = await openOn(disk, options)
  const a = await store.log('a')
  const b = await store.log('b')
  const counts = await store.table('counts', codecs)
  return { store, a, b, counts }
}

type Opened = Awaited<ReturnType<typeof opened>>

function group({ store, a, b, counts }: Opened, n: number, level: 'os' | 'disk') {
  return store.atomic(
    (tx) => {
      tx.append(a, `a${n}`)
      tx.append(b, [`b${n}`, `b${n}'`])
      tx.put(counts, 'n', n)
    },
    { level },
  )
}

/** How many groups are there, which must be the same everywhere. */
async function groupsIn(disk: SimFileSystem): Promise<{ groups: number; store: Store }> {
  const found = await opened(disk)
  const { a, b, counts } = found
  for (const log of [a, b]) expectDense(log)
  const ofGroups = (values: string[]) => values.filter((value) => !value.startsWith('single'))
  const groups = counts.get('n') ?? 0
  const expected = Array.from({ length: groups }, (_, i) => i + 1)
  expect(ofGroups(valuesIn(a))).toEqual(expected.map((n) => `a${n}`))
  expect(ofGroups(valuesIn(b))).toEqual(expected.flatMap((n) => [`b${n}`, `b${n}'`]))
  return { groups, store: found.store }
}

describe('an atomic group', () => {
  it('says where its records are, and is seen at once', async () => {
    const target = await opened(simDisk())
    const { store, a, b, counts } = target
    await a.append('single')
    const seen: unknown[] = []
    a.onAppend(() => seen.push([a.endOffset, b.endOffset, counts.get('n')]))
    b.onAppend(() => seen.push([a.endOffset, b.endOffset, counts.get('n')]))
    const ack = await store.atomic((tx) => {
      tx.append(a, 'x')
      tx.append(b, ['y', 'z'])
      tx.append(a, ['u', 'v'])
      tx.put(counts, 'n', 1)
    })
    expect(ack).toEqual({
      level: 'disk',
      appends: [
        { offset: 1, lastOffset: 1, level: 'disk' },
        { offset: 0, lastOffset: 1, level: 'disk' },
        { offset: 2, lastOffset: 3, level: 'disk' },
      ],
    })
    expect(seen).toEqual([
      [4, 2, 1],
      [4, 2, 1],
    ])
    expect(valuesIn(a)).toEqual(['single', 'x', 'u', 'v'])
  })

  it('costs one sync, whatever the number of logs', async () => {
    const disk = simDisk()
    const target = await opened(disk, { journalBytes: 1024 * 1024 })
    await group(target, 1, 'disk')
    const flushed: string[] = []
    disk.onOperation = ({ kind, path }) => {
      if (kind === 'flush') flushed.push(path)
    }
    await group(target, 2, 'disk')
    expect(flushed).toEqual(['/data/stratalog.journal'])
  })

  it.each(['os', 'disk'] as const)(
    'is whole or absent after a crash at every operation, level %s',
    async (level) => {
      const whole = simDisk(3)
      const start = await opened(whole)
      await start.a.append('single')
      await start.b.append('single', { level: 'os' })
      const first = whole.operationCount
      await run(start, level, () => {})
      const last = whole.operationCount
      let checks = 0
      for (let at = first + 1; at <= last; at++) {
        for (const [i, crashClass] of [...crashClasses, 'process' as const].entries()) {
          const disk = simDisk(3)
          const target = await opened(disk)
          await target.a.append('single')
          await target.b.append('single', { level: 'os' })
          disk.stopAt(at)
          let acked = 0
          await run(target, level, (n) => {
            acked = n
          }).catch((error: unknown) => {
            if (!isSimCrash(error)) throw error
          })
          const isProcess = crashClass === 'process'
          const found = isProcess ? disk.processCrash() : disk.crash({ class: crashClass, seed: i })
          const { groups, store } = await groupsIn(found)
          if (isProcess || level === 'disk') expect(groups).toBeGreaterThanOrEqual(acked)
          // What recovery decided holds, and goes on.
          const again = found.crash({ class: 'nothing-unsynced' })
          if (!isProcess) expect((await groupsIn(again)).groups).toBe(groups)
          expect(store.recovery).toBeDefined()
          checks++
        }
      }
      console.log(`atomic groups at ${level}: ${checks} crashes`)
    },
  )

  /** Four groups with other appends, a roll and a checkpoint between them. */
  async function run(target: Opened, level: 'os' | 'disk', acked: (n: number) => void) {
    const { store, a, b } = target
    for (let n = 1; n <= 4; n++) {
      await group(target, n, level)
      acked(n)
      if (n === 1) await b.append('single', { level: 'os' })
      if (n === 2) a.roll()
      if (n === 3) await store.checkpoint()
      await a.append('single')
    }
  }

  it('leaves nothing behind when one of its logs cannot be written', async () => {
    for (let ahead = 1; ahead <= 12; ahead++) {
      const disk = simDisk(5)
      const target = await opened(disk)
      await group(target, 1, 'disk')
      await target.a.append('single')
      disk.failOperation(disk.operationCount + ahead, { errno: 'ENOSPC', writtenBytes: 10 })
      const isAcked = await group(target, 2, 'disk').then(
        () => true,
        () => false,
      )
      const { a, b, counts } = target
      const groups = counts.get('n')
      expect(valuesIn(a).filter((value) => value === 'a2').length).toBe(groups === 2 ? 1 : 0)
      expect(valuesIn(b).filter((value) => value === 'b2').length).toBe(groups === 2 ? 1 : 0)
      if (isAcked) expect(groups).toBe(2)
      // The fault may still be to come.
      if (a.isOpen) await a.append('single').catch(() => {})
      const found = await groupsIn(disk.crash({ class: 'nothing-unsynced' }))
      expect(found.groups).toBeGreaterThanOrEqual(isAcked ? 2 : 1)
    }
  })

  const ways = (['stop', 'EIO'] as const).flatMap((how) => {
    return (['os', 'disk'] as const).map((level) => [how, level] as const)
  })

  // Found by the simulation: one log had taken its part back, the other one not yet.
  it('is whole or absent when a log cannot be written and the machine stops right after', async () => {
    let checks = 0
    let goneAhead = 0
    for (let ahead = 1; ahead <= 5; ahead++) {
      for (let second = 1; second <= 12; second++) {
        for (const [how, level] of ways) {
          const disk = simDisk(5)
          // By its clock every sync is a fast one: at level disk the frame goes ahead to the device.
          const target = await opened(disk, { clock: new SteppedClock() })
          await group(target, 1, 'disk')
          await group(target, 2, 'disk')
          await target.a.append('single', { level: 'os' })
          disk.onOperation = ({ kind, path, lengthBytes }) => {
            if (kind === 'flush' && path.endsWith('.journal') && lengthBytes > 0) goneAhead++
          }
          const at = disk.operationCount + ahead
          disk.failOperation(at, { errno: 'ENOSPC', writtenBytes: 10 })
          if (how === 'stop') disk.stopAt(at + second)
          else disk.failOperation(at + second, { errno: 'EIO' })
          // Both are refused for reasons that do not matter here.
          await Promise.allSettled([group(target, 3, level), target.b.append('single')])
          const states = crashClasses.map((one) => disk.crash({ class: one, seed: second }))
          for (const found of [...states, disk.processCrash()]) {
            const { groups } = await groupsIn(found)
            expect(groups).toBeGreaterThanOrEqual(2)
            checks++
          }
        }
      }
    }
    expect(goneAhead).toBeGreaterThan(50)
    console.log(`atomic groups that cannot be written: ${checks} crashes`)
  })

  // Found by the simulation: the checkpoint that a group brought on synced a segment with a batch of
  // the group before the frame.
  it('brings on a checkpoint that makes its frame durable first', async () => {
    for (let checkpointBytes = 100; checkpointBytes <= 600; checkpointBytes += 50) {
      const disk = simDisk()
      const target = await opened(disk, { checkpointBytes })
      await target.a.append('single')
      await target.store.checkpoint()
      let hasFrame = false
      let isEarly = false
      disk.onOperation = ({ kind, path }) => {
        if (path.endsWith('.journal')) hasFrame = kind === 'write'
        else if (kind === 'flush' && path.endsWith('.log')) isEarly ||= hasFrame
      }
      for (let n = 1; n <= 3; n++) await group(target, n, 'os')
      await target.store.flush()
      expect(isEarly).toBe(false)
    }
  })

  // Found by the simulation: a truncation came before the group began to wait, which then never ended.
  it('is not acknowledged when one of its logs is truncated right after it', async () => {
    for (let moment = 0; moment < 20; moment++) {
      const target = await opened(simDisk())
      const { a } = target
      let cutting: Promise<void> | undefined
      let wasDurable = false
      a.onAppend(() => {
        cutting ??= afterMicrotasks(moment, async () => {
          wasDurable = a.durableOffset > 0
          a.truncate(0)
        })
      })
      const outcome = await group(target, 1, 'disk').then(
        () => 'acknowledged',
        ({ code }) => code as string,
      )
      await cutting
      // A truncation of what is durable is none of its business.
      if (!wasDurable) expect(outcome).toBe('ERR_OFFSET_OUT_OF_RANGE')
    }
  })

  it('that waits when the store is closed says so', async () => {
    const outcomes = new Set<string>()
    for (let moment = 0; moment < 60; moment++) {
      const disk = simDisk()
      const target = await opened(disk, { journalBytes: 16_384 })
      await target.a.append('single', { level: 'os' })
      const groups = [group(target, 1, 'disk'), group(target, 2, 'disk')]
      const closed = afterMicrotasks(moment, () => target.store.close())
      for (const outcome of await Promise.allSettled(groups)) {
        outcomes.add(outcome.status === 'rejected' ? outcome.reason.code : 'made')
      }
      await closed
    }
    expect([...outcomes].sort()).toEqual(['ERR_CLOSED', 'made'])
  })

  it('goes on for longer than the journal is, beside others', async () => {
    const disk = simDisk()
    const target = await opened(disk, { config: { 'segment.bytes': '100000' } })
    const others = Array.from({ length: 60 }, async (_, i) => {
      await target.a.append('single', { level: i % 2 === 0 ? 'os' : 'disk' })
    })
    for (let n = 1; n <= 60; n++) await group(target, n, n % 3 === 0 ? 'disk' : 'os')
    await Promise.all(others)
    expect((await groupsIn(disk.processCrash())).groups).toBe(60)
  })

  // Found by the simulation: a region took a frame in the moment between being free and having
  // forgotten whose frames it held, and was not written back when its turn came.
  it('is kept in a region of the journal that it was the first to use again', async () => {
    for (let moment = 0; moment < 12; moment++) {
      const disk = simDisk()
      const target = await opened(disk, { journalBytes: 16_384 })
      const states: { readonly disk: SimFileSystem; readonly acked: number }[] = []
      let acked = 0
      let isFreeing = false
      let extra: Promise<unknown> | undefined
      disk.onOperation = ({ kind, path, position, lengthBytes }) => {
        if (!path.endsWith('.journal')) return
        states.push({ disk: disk.crash({ class: 'nothing-unsynced', seed: 1 }), acked })
        if (kind === 'write') isFreeing = position === 0 && lengthBytes === 4096
        else if (isFreeing && acked > 0) extra ??= afterMicrotasks(moment, both)
      }
      const both = async (): Promise<void> => {
        const { appends } = await target.store.atomic((tx) => {
          tx.append(target.a, 'single')
          tx.append(target.b, 'single')
        })
        acked = Math.max(acked, appends[0]!.lastOffset + 1)
      }
      for (let n = 1; n <= 6; n++) {
        const { appends } = await group(target, n, 'disk')
        acked = Math.max(acked, appends[0]!.lastOffset + 1)
      }
      await extra
      for (const state of states) {
        const { a } = await opened(state.disk)
        expect(a.endOffset, `moment ${moment}`).toBeGreaterThanOrEqual(state.acked)
      }
    }
  })

  async function afterMicrotasks<T>(count: number, run: () => Promise<T>): Promise<T> {
    for (let i = 0; i < count; i++) await undefined
    return run()
  }

  // Found by the simulation: groups waited for room that nobody made any more, in a loop.
  it('is made again when a log that failed, and kept the journal, was deleted', async () => {
    const disk = simDisk()
    const target = await opened(disk, { journalBytes: 16_384 })
    const { store, a } = target
    const ill = await store.log('ill')
    await group(target, 1, 'disk')
    await store.atomic((tx) => {
      tx.append(a, 'single')
      tx.append(ill, 'x')
    })
    disk.planFault = ({ kind, path }) => {
      return kind === 'flush' && path.startsWith('/data/ill-0') ? { errno: 'EIO' } : undefined
    }
    const fill = async () => {
      for (let n = 2; n <= 6; n++) await group(target, n, 'disk')
    }
    await expect(fill()).rejects.toMatchObject({ code: 'ERR_LOG_FAILED' })
    await store.deleteTopic('ill')
    const next = (target.counts.get('n') ?? 0) + 1
    await group(target, next, 'disk')
    expect((await groupsIn(disk.crash({ class: 'nothing-unsynced' }))).groups).toBe(next)
  })

  it('is refused as a whole when an expectation does not hold', async () => {
    const target = await opened(simDisk())
    const { store, a, b, counts } = target
    await group(target, 1, 'disk')
    const endOffsets = () => [a.endOffset, b.endOffset, counts.log.endOffset]
    const before = endOffsets()
    await expect(
      store.atomic((tx) => {
        tx.append(a, 'x', { expect: 7 })
        tx.put(counts, 'n', 5)
      }),
    ).rejects.toMatchObject({ code: 'ERR_CONFLICT', log: 'a-0', expected: 7, found: 1 })
    await expect(
      store.atomic((tx) => {
        tx.append(a, 'x')
        tx.put(counts, 'other', 5)
        tx.put(counts, 'n', 5, { expect: 4 })
      }),
    ).rejects.toMatchObject({ code: 'ERR_CONFLICT', table: 'counts', changeIndex: 1 })
    expect([endOffsets(), counts.get('n'), counts.has('other')]).toEqual([before, 1, false])
    await store.atomic((tx) => {
      tx.append(a, 'a2', { expect: 1 })
      tx.put(counts, 'n', 2, { expect: 1 })
    })
    expect(counts.get('n')).toBe(2)
  })

  it('is refused when it is used wrongly, and writes nothing', async () => {
    const { store, a, b, counts } = await opened(simDisk())
    const elsewhere = await opened(simDisk(9))
    const gone = await store.log('gone')
    await store.deleteTopic('gone')
    const wrong: [string, () => Promise<unknown>][] = [
      ['ERR_OPTION_INVALID', () => store.atomic((tx) => tx.append(elsewhere.a, 'x'))],
      ['ERR_OPTION_INVALID', () => store.atomic((tx) => tx.put(elsewhere.counts, 'x', 1))],
      ['ERR_OPTION_INVALID', () => store.atomic((tx) => tx.append({} as never, 'x'))],
      ['ERR_OPTION_INVALID', () => store.atomic((tx) => tx.append(a, []))],
      ['ERR_OPTION_INVALID', () => store.atomic(async (tx) => tx.append(a, 'x'))],
      [
        'ERR_OPTION_INVALID',
        () => store.atomic((tx) => tx.append(a, 'x'), { level: 'x' as never }),
      ],
      [
        'ERR_CLOSED',
        () =>
          store.atomic((tx) => {
            tx.append(a, 'x')
            tx.append(gone, 'y')
          }),
      ],
      [
        'ERR_BATCH_TOO_LARGE',
        () =>
          store.atomic((tx) => {
            tx.append(b, Buffer.alloc(900))
            tx.append(a, Buffer.alloc(2_000_000))
          }),
      ],
      [
        'ERR_OPTION_INVALID',
        () =>
          store.atomic((tx) => {
            tx.append(a, 'x')
            tx.put(counts, 'n', -1)
          }),
      ],
    ]
    for (const [code, run] of wrong) await expect(run()).rejects.toMatchObject({ code })
    await expect(
      store.atomic(() => {
        throw new Error('of the caller')
      }),
    ).rejects.toThrow('of the caller')
    let kept: Parameters<Parameters<typeof store.atomic>[0]>[0] | undefined
    await store.atomic((tx) => {
      kept = tx
    })
    expect(() => kept?.put(counts, 'n', 1)).toThrow('finished')
    expect([a.endOffset, b.endOffset, counts.log.endOffset]).toEqual([0, 0, 0])
    const without = await opened(simDisk(), { journalBytes: 0 })
    await expect(group(without, 1, 'os')).rejects.toMatchObject({ option: 'journalBytes' })
    await store.close()
    await expect(store.atomic(() => {})).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })
})
