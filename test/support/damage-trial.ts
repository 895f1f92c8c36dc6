/**
 * Damages a small store, one byte or one length at a time, and sees what becomes of it. What verify
 * cannot find is listed below with the reason.
 */
import { LogError } from '../../src/base/errors.ts'
import type { Log } from '../../src/log/log.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { SimRandom } from '../../src/platform/sim-random.ts'
import type { Finding } from '../../src/store/finding.ts'
import { type RepairReport, repairStore } from '../../src/store/repair-store.ts'
import type { Store } from '../../src/store/store.ts'
import { batchPositions, filesBelow } from './damaged-disk.ts'
import { dataPath } from './log-inspection.ts'
import { makeSmallStore, openSmall, type SmallStore } from './small-store.ts'

export const seed: number = Number(process.env['STRATALOG_DAMAGE_SEED'] ?? 1)

export type Damage = {
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

/** An assertion library costs more here than the store. */
function demand(condition: boolean, what: () => string): void {
  if (!condition) throw new Error(`not so: ${what()}`)
}

function expectSeen(
  name: string,
  truth: ReadonlyMap<number, string>,
  seen: ReadonlySet<number>,
  except: ReadonlySet<number>,
): void {
  for (const offset of truth.keys()) {
    demand(except.has(offset) || seen.has(offset), () => `offset ${offset} of ${name} is served`)
  }
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

export class Trial {
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
    demand(
      report.remaining.length === 0,
      () => `all is repaired: ${JSON.stringify(report, null, 1)}`,
    )
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
      const mayRefuse = /__stratalog-0\/.*\.log$|meta\.properties$|recovery-point/
      demand(mayRefuse.test(damage.path), () => 'the store opens')
      return
    }
    for (const [name, truth] of this.#small.truth) {
      const seen = see(store, this.#small, name)
      const isMine = damage.path.startsWith(`${dataPath}/${name}/`)
      if (seen === 'refused') {
        this.counts.refusedLogs++
        demand(isMine || damage.path.includes('checkpoint'), () => `${name} opens`)
        continue
      }
      const isPointWrong = damage.path.endsWith('recovery-point-offset-checkpoint')
      if (!isPointWrong || this.#isClean) this.#expectEnd(name, seen.endOffset)
      // Files of other logs, and files that are derived, keep no record from being read.
      if (isMine && damage.path.endsWith('.log')) continue
      const hidden = mayLose(this.#small, damage, name, Buffer.alloc(0))
      expectSeen(name, truth, seen.records, hidden)
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
    demand(actions.length === 0, () => 'nothing is repaired where nothing was found')
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
      expectSeen(name, truth, seen.records, lost)
      this.#expectEnd(name, seen.endOffset)
    }
  }

  /** No offset of a record that was durable may be given out again. */
  #expectEnd(name: string, endOffset: number): void {
    const durable = this.#small.durable.get(name) as number
    demand(endOffset >= durable, () => `${name} ends at ${endOffset}, not below ${durable}`)
  }

  say(title: string): void {
    console.log(`${title}: ${JSON.stringify(this.counts)}`)
    for (const [reason, count] of this.unfound) console.log(`  ${count} not found: ${reason}`)
  }
}

/** Flips every byte of every file in turn. */
export async function flipAll(isClean: boolean): Promise<Trial> {
  const trial = new Trial(await makeSmallStore(isClean), isClean)
  const random = new SimRandom(seed)
  for (const [path, bytes] of trial.files) {
    for (let at = 0; at < bytes.length; at++) {
      const mask = random.chance(0.7) ? 1 << random.below(8) : 1 + random.below(255)
      await trial.run({ path, at, mask })
    }
  }
  return trial
}

/** Cuts every file to every length. */
export async function cutAll(isClean: boolean): Promise<Trial> {
  const trial = new Trial(await makeSmallStore(isClean), isClean)
  for (const [path, bytes] of trial.files) {
    for (let at = 0; at < bytes.length; at++) await trial.run({ path, at, mask: 0 })
  }
  return trial
}
