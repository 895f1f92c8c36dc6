/**
 * Goal: whatever byte of a store is wrong, or wherever a file of it was cut, no record is ever served
 * that is not the one written at its offset, nothing crashes, verify finds it, and repair makes the
 * store whole again, giving up only records of the damaged batch.
 * Method: every byte of every file of a small store flipped in turn, by a mask drawn from a seed, and
 * every file cut to every length, after a clean stop and after a kill. Each damaged disk is opened and
 * read, repaired, and opened and read again. What cannot be found is listed below with the reason.
 * STRATALOG_DAMAGE_SEED=<seed> draws other masks.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { LogError } from '../../src/base/errors.ts'
import type { Log } from '../../src/log/log.ts'
import { nodeFileSystem } from '../../src/platform/node-file-system.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { SimRandom } from '../../src/platform/sim-random.ts'
import type { Finding } from '../../src/store/finding.ts'
import { type RepairReport, repairStore } from '../../src/store/repair-store.ts'
import type { Store } from '../../src/store/store.ts'
import { batchPositions, filesBelow, readFile } from '../support/damaged-disk.ts'
import { dataPath } from '../support/log-inspection.ts'
import { makeSmallStore, openSmall, type SmallStore } from '../support/small-store.ts'
import { withTemporaryDirectory } from '../support/temporary-directory.ts'

const seed = Number(process.env['STRATALOG_DAMAGE_SEED'] ?? 1)

type Damage = {
  readonly path: string
  /** Byte that is flipped, or length that the file is cut to. */
  readonly at: number
  /** 0: cut. */
  readonly mask: number
}

/** What verify cannot find, and why that does no harm that matters. */
type Exception = {
  readonly reason: string
  readonly fits: (damage: Damage, bytes: Buffer, isClean: boolean) => boolean
}

const exceptions: readonly Exception[] = [
  {
    reason: 'the clean marker counts by being there; its content is not read',
    fits: ({ path }) => path.endsWith('.kafka_cleanshutdown'),
  },
  {
    reason: 'the lock counts by being held; a file left over is not read',
    fits: ({ path }) => path.endsWith('.lock'),
  },
  {
    reason: 'meta.properties has no checksum: an id that reads as one is believed',
    fits: ({ path }) => path.endsWith('meta.properties'),
  },
  {
    reason: 'an id file is read for its id; the version before it and blanks around it are not',
    fits: ({ path, at, mask }, bytes) =>
      path.endsWith('partition.metadata') && mask > 0 && !isInId(at, bytes),
  },
  {
    reason: 'blanks of a checkpoint may be others, and the last line needs no end',
    fits: ({ path, at, mask }, bytes) =>
      path.endsWith('-checkpoint') && (mask === 0 ? at === bytes.length - 1 : isBlank(at, bytes)),
  },
  {
    reason: 'a log start may be anywhere below the end; records are hidden, not removed',
    fits: ({ path }) => path.endsWith('log-start-offset-checkpoint'),
  },
  {
    reason: 'an index that lost whole entries is a sparser one, and finds the same',
    fits: ({ path, at, mask }) => path.endsWith('.index') && mask === 0 && at % 8 === 0,
  },
  {
    reason: 'the leader epoch of the table’s own batches is always 0 and never asked for',
    fits: ({ path, at, mask }, bytes) =>
      path.endsWith('__stratalog-0/00000000000000000000.log') &&
      mask > 0 &&
      inBatch(at, bytes) >= 12 &&
      inBatch(at, bytes) < 16,
  },
  {
    reason:
      'the table may have epochs its batches do not show: of its file only the form is checked',
    fits: ({ path }) => path.endsWith('__stratalog-0/leader-epoch-checkpoint'),
  },
  {
    reason: 'below the log start nobody asks for the leader epoch of a record',
    fits: ({ path, at, mask }, bytes) =>
      (path.endsWith('s-0/00000000000000000000.log') && mask > 0 && at >= 12 && at < 16) ||
      (path.endsWith('s-0/leader-epoch-checkpoint') && at === bytes.length - 2),
  },
  {
    reason: 'before recovery: a log cut between two batches behind what was durable is whole',
    fits: ({ path, at, mask }, bytes, isClean) =>
      !isClean && path.endsWith('.log') && mask === 0 && [0, ...batchPositions(bytes)].includes(at),
  },
  {
    reason: 'before recovery: a lower recovery point only has more checked, a higher one less',
    fits: ({ path }, _, isClean) => !isClean && path.endsWith('recovery-point-offset-checkpoint'),
  },
  {
    reason: 'before recovery: indexes of what it scans are made anew',
    fits: ({ path }, _, isClean) => !isClean && /\.(time)?index$/.test(path),
  },
]

/** Place of a byte within its batch. */
function inBatch(at: number, bytes: Buffer): number {
  return at - (batchPositions(bytes).findLast((position) => position <= at) as number)
}

function isInId(at: number, bytes: Buffer): boolean {
  return at >= bytes.indexOf('topic_id: ') && !isBlank(at, bytes)
}

function isBlank(at: number, bytes: Buffer): boolean {
  return /\s/.test(String.fromCharCode(bytes[at] as number))
}

/** What reading all of a log gave, each record checked against the truth. */
type Seen = { readonly records: Set<number>; readonly endOffset: number } | 'refused'

function see(store: Store, small: SmallStore, name: string): Seen {
  const topic = store.topic(name.slice(0, -2))
  if (topic === undefined) throw new Error(`topic of ${name} is gone`)
  let log: Log
  try {
    log = topic.log(0)
  } catch (error) {
    expectTyped(error)
    return 'refused'
  }
  const truth = small.known.get(name) as ReadonlyMap<number, string>
  const records = new Set<number>()
  const note = (cursor: ReturnType<Log['cursor']>) => {
    const value = String(cursor.value())
    if (truth.get(cursor.offset) !== value) {
      throw new Error(`${name} has ${value} at ${cursor.offset}: ${truth.get(cursor.offset)}`)
    }
    records.add(cursor.offset)
  }
  try {
    const cursor = log.cursor()
    while (cursor.next()) note(cursor)
  } catch (error) {
    expectTyped(error)
    for (let offset = log.startOffset; offset < log.endOffset; offset++) {
      if (!records.has(offset)) seek(log, offset, note)
    }
  }
  return { records, endOffset: log.endOffset }
}

function seek(log: Log, offset: number, note: (cursor: ReturnType<Log['cursor']>) => void): void {
  try {
    const cursor = log.cursor({ from: offset })
    if (cursor.next()) note(cursor)
  } catch (error) {
    expectTyped(error)
  }
}

/** Damage is told by an operating error that says where, and nothing else may be thrown. */
function expectTyped(error: unknown): void {
  if (!(error instanceof LogError)) throw error
  const { code, path } = error as { code?: string; path?: string } & LogError
  if (code === 'ERR_OFFSET_OUT_OF_RANGE') return
  if (code !== 'ERR_LOG_CORRUPT' && code !== 'ERR_STORE_FORMAT') throw error
  if (path === undefined || !path.startsWith(dataPath)) throw error
}

async function open(disk: SimFileSystem): Promise<Store | undefined> {
  try {
    return await openSmall(disk)
  } catch (error) {
    expectTyped(error)
    return undefined
  }
}

/** Offsets of `name` that may be gone for good after the damage. */
function mayLose(small: SmallStore, damage: Damage, name: string, bytes: Buffer): Set<number> {
  const lost = new Set<number>()
  const { path, at, mask } = damage
  if (!path.startsWith(`${dataPath}/${name}/`) || !path.endsWith('.log')) {
    const isHidden = path.endsWith('log-start-offset-checkpoint') && name === 's-0'
    return isHidden ? new Set(small.truth.get(name)?.keys()) : lost
  }
  const durable = small.durable.get(name) as number
  let isCut = false
  for (const position of batchPositions(bytes)) {
    const base = Number(bytes.readBigInt64BE(position))
    const size = 12 + bytes.readInt32BE(position + 8)
    const isHit = mask === 0 ? position + size > at : position <= at && at < position + size
    const isHealed = mask > 0 && at - position < 17
    // Of what was not durable recovery keeps nothing behind the first fault.
    isCut ||= isHit && base >= durable
    if ((!isHit || (isHealed && base < durable)) && !isCut) continue
    for (let i = 0; i <= bytes.readInt32BE(position + 23); i++) lost.add(base + i)
  }
  return lost
}

class Trial {
  readonly #small: SmallStore
  readonly #isClean: boolean
  readonly #files: ReadonlyMap<string, Buffer>
  readonly counts = { cases: 0, refusedStores: 0, refusedLogs: 0, found: 0, healed: 0, lost: 0 }
  readonly unfound = new Map<string, number>()

  constructor(small: SmallStore, isClean: boolean) {
    this.#small = small
    this.#isClean = isClean
    this.#files = filesBelow(small.disk, dataPath)
  }

  get files(): ReadonlyMap<string, Buffer> {
    return this.#files
  }

  async run(damage: Damage): Promise<void> {
    try {
      await this.#run(damage)
    } catch (error) {
      const { path, at, mask } = damage
      const what = mask === 0 ? `cut to ${at}` : `byte ${at} ^ 0x${mask.toString(16)}`
      const state = this.#isClean ? 'clean' : 'killed'
      throw new Error(`${path} ${what} (${state}, seed ${seed}): ${(error as Error).stack}`)
    }
  }

  async #run(damage: Damage): Promise<void> {
    this.counts.cases++
    await this.#openDamaged(damage)
    const disk = this.#damaged(damage)
    const report = await repairStore(dataPath, { apply: true, fileSystem: disk })
    expect(report.remaining, JSON.stringify(report, null, 1)).toEqual([])
    this.#expectFound(damage, report)
    if (report.actions.length > 0) await this.#openRepaired(damage, disk)
  }

  #damaged({ path, at, mask }: Damage): SimFileSystem {
    const disk = this.#small.disk.processCrash()
    if (mask === 0) disk.open(path, 'write').truncate(at)
    else disk.flipBits(path, at, mask)
    return disk
  }

  /** No wrong record, nothing but operating errors, and no offset that could be given out again. */
  async #openDamaged(damage: Damage): Promise<void> {
    const store = await open(this.#damaged(damage))
    if (store === undefined) {
      this.counts.refusedStores++
      expect(damage.path).toMatch(/__stratalog-0\/.*\.log$|meta\.properties$|recovery-point/)
      return
    }
    for (const [name, truth] of this.#small.truth) {
      const seen = see(store, this.#small, name)
      const isMine = damage.path.startsWith(`${dataPath}/${name}/`)
      if (seen === 'refused') {
        this.counts.refusedLogs++
        expect(isMine || damage.path.includes('checkpoint')).toBe(true)
        continue
      }
      const isPointWrong = damage.path.endsWith('recovery-point-offset-checkpoint')
      if (!isPointWrong || this.#isClean) {
        expect(seen.endOffset).toBeGreaterThanOrEqual(this.#small.durable.get(name) as number)
      }
      // Files of other logs, and files that are derived, keep no record from being read.
      if (isMine && damage.path.endsWith('.log')) continue
      const hidden = mayLose(this.#small, damage, name, Buffer.alloc(0))
      for (const offset of truth.keys())
        if (!hidden.has(offset)) expect(seen.records).toContain(offset)
    }
  }

  #expectFound(damage: Damage, { findings, lost, actions }: RepairReport): void {
    const isFound = ({ severity, kind, position }: Finding) =>
      severity === 'damage' || (kind === 'not-recovered' && position !== undefined)
    if (lost.length > 0) this.counts.lost++
    if (findings.some(({ kind }) => kind === 'header')) this.counts.healed++
    if (findings.some(isFound)) {
      this.counts.found++
      return
    }
    expect(actions).toEqual([])
    const bytes = this.#files.get(damage.path) as Buffer
    const known = exceptions.find(({ fits }) => fits(damage, bytes, this.#isClean))
    if (known === undefined) throw new Error('verify found nothing')
    this.unfound.set(known.reason, (this.unfound.get(known.reason) ?? 0) + 1)
  }

  /** Everything is served but what the damaged batch held, and appends go on. */
  async #openRepaired(damage: Damage, disk: SimFileSystem): Promise<void> {
    const store = await openSmall(disk)
    const bytes = this.#files.get(damage.path) as Buffer
    for (const [name, truth] of this.#small.truth) {
      const seen = see(store, this.#small, name)
      if (seen === 'refused') throw new Error(`${name} is refused after the repair`)
      const lost = mayLose(this.#small, damage, name, bytes)
      for (const offset of truth.keys())
        if (!lost.has(offset)) expect(seen.records).toContain(offset)
      expect(seen.endOffset).toBeGreaterThanOrEqual(this.#small.durable.get(name) as number)
    }
  }

  say(title: string): void {
    console.log(`${title}: ${JSON.stringify(this.counts)}`)
    for (const [reason, count] of this.unfound) console.log(`  ${count} not found: ${reason}`)
  }
}

describe.each([
  ['cleanly stopped', true],
  ['killed', false],
])('a %s store', (title, isClean) => {
  it('never serves a wrong record whichever byte is flipped, and is repaired', async () => {
    const trial = new Trial(await makeSmallStore(isClean), isClean)
    const random = new SimRandom(seed)
    for (const [path, bytes] of trial.files) {
      for (let at = 0; at < bytes.length; at++) {
        const mask = random.chance(0.7) ? 1 << random.below(8) : 1 + random.below(255)
        await trial.run({ path, at, mask })
      }
    }
    trial.say(`${title}, bytes flipped`)
    expect(trial.counts.healed).toBeGreaterThan(100)
    expect(trial.counts.lost).toBeGreaterThan(300)
  })

  it('never serves a wrong record to whatever length a file is cut, and is repaired', async () => {
    const trial = new Trial(await makeSmallStore(isClean), isClean)
    for (const [path, bytes] of trial.files) {
      for (let at = 0; at < bytes.length; at++) await trial.run({ path, at, mask: 0 })
    }
    trial.say(`${title}, files cut`)
    expect(trial.counts.lost).toBeGreaterThan(300)
  })
})

it('a lock file left by a dead process keeps nobody out, whatever it says', async () => {
  await withTemporaryDirectory(async (directory) => {
    const left = Buffer.from('4194302 117@5a5e1b4e-6d0b-4c9e-8c0f-000000000000 kernel\n')
    const random = new SimRandom(seed)
    for (let at = 0; at <= left.length; at++) {
      for (const isCut of [true, false]) {
        const bytes = Buffer.from(left)
        if (!isCut && at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << random.below(8))
        writeFileSync(`${directory}/.lock`, isCut ? bytes.subarray(0, at) : bytes)
        nodeFileSystem.lockDirectory(directory).release()
        expect(existsSync(`${directory}/.lock`)).toBe(false)
      }
    }
  })
})

it('the small store has what a store can have', async () => {
  const { disk } = await makeSmallStore(true)
  const files = [...filesBelow(disk, dataPath).keys()].map((path) =>
    path.slice(dataPath.length + 1),
  )
  for (const kind of [
    '.kafka_cleanshutdown',
    'meta.properties',
    'recovery-point-offset-checkpoint',
    'log-start-offset-checkpoint',
    '__stratalog-0/00000000000000000000.log',
    'p-0/00000000000000000005.log',
    'p-0/00000000000000000000.index',
    'p-0/00000000000000000000.timeindex',
    'p-0/00000000000000000007.snapshot',
    'p-0/leader-epoch-checkpoint',
    'p-0/partition.metadata',
  ]) {
    expect(files).toContain(kind)
  }
  expect(readFile(disk, '/data/z-0/00000000000000000000.log')[22]).toBe(3)
})
