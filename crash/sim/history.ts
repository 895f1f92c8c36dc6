/**
 * Random histories: a store lives, loses process or power in the middle of something, recovers
 * (perhaps crashing again on the way), is compared with the model, recovers once more, and lives on.
 * Everything follows from one seed.
 */
import { strict as assert } from 'node:assert'
import { LogError } from '../../src/base/errors.ts'
import type { FileSystem } from '../../src/platform/file-system.ts'
import { crashClasses } from '../../src/platform/sim-crash-class.ts'
import { SimCrash } from '../../src/platform/sim-failure.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { SimRandom } from '../../src/platform/sim-random.ts'
import type { Store } from '../../src/store/store.ts'
import { takeAction } from './actions.ts'
import {
  checkCommits,
  checkDamaged,
  checkRetries,
  checkSameBounds,
  checkStore,
  type Loss,
} from './check.ts'
import { checkTables, type OpenTables } from './check-tables.ts'
import { HistoryFailure } from './history-failure.ts'
import { HistoryTrace } from './history-trace.ts'
import { Life } from './life.ts'
import { StoreModel } from './model.ts'
import { close } from './moves.ts'
import { recordingLogger } from './recording-logger.ts'
import { seedIds } from './seeded-ids.ts'
import { dataPath, type HistoryShape, newDisk, openOn, shapeFor } from './shapes.ts'
import { SimClock } from './sim-clock.ts'

export type HistoryOptions = {
  readonly seed: number
  /** Default 4. */
  readonly lives?: number
  /** Stands between engine and disk: a way to plant bugs. Default: nothing does. */
  readonly wrap?: (disk: SimFileSystem) => FileSystem
}

export type HistoryResult = {
  /** Crashes that were recovered from and compared with the model. */
  readonly checks: number
  /** Equal for two runs that did the same to their disks. */
  readonly fingerprint: number
}

/** States drawn from the end of one life; the history goes on with the last. */
const statesPerLife = 3

/** @throws (rejects) HistoryFailure when a promise was not kept. */
export function runHistory(options: HistoryOptions): Promise<HistoryResult> {
  return new History(options).run()
}

type Opened = {
  readonly store: Store
  readonly disk: SimFileSystem
  readonly clock: SimClock
  readonly tables: OpenTables
}

class History {
  readonly #options: HistoryOptions
  readonly #random: SimRandom
  readonly #trace = new HistoryTrace()
  readonly #shape: HistoryShape
  #nowMs = 1_000_000
  #place = ''
  #checks = 0

  constructor(options: HistoryOptions) {
    this.#options = options
    this.#random = new SimRandom(options.seed)
    this.#shape = shapeFor(options.seed)
  }

  async run(): Promise<HistoryResult> {
    const { seed, lives = 4 } = this.#options
    seedIds(seed)
    try {
      let model = new StoreModel()
      const disk = newDisk(seed)
      this.#trace.follow(disk)
      let opened = await this.#open(disk)
      for (let life = 1; life <= lives; life++) {
        this.#place = `life ${life}`
        await this.#live(opened, model)
        let next: { opened: Opened; model: StoreModel } | undefined
        for (let state = 1; state <= statesPerLife; state++) {
          this.#place = `life ${life}, state ${state}`
          next = await this.#recover(opened.disk, model.clone(), state === 1)
        }
        opened = next!.opened
        model = next!.model
      }
      silence(opened.disk)
    } catch (cause) {
      throw this.#failure(cause)
    }
    return { checks: this.#checks, fingerprint: this.#trace.fingerprint }
  }

  #failure(cause: unknown): HistoryFailure {
    const { seed } = this.#options
    const test = 'npx vitest run --project unit test/crash/random-history.test.ts'
    return new HistoryFailure({
      place: `seed ${seed} (${this.#shape.name}), ${this.#place}`,
      replay: [
        `STRATALOG_CRASH_SEED=${seed} ${test}`,
        `npm run crash -- --mode random --seed ${seed}`,
      ],
      trace: this.#trace.lines(),
      cause,
    })
  }

  async #open(disk: SimFileSystem, warnings: string[] = []): Promise<Opened> {
    const clock = new SimClock(this.#nowMs)
    const fileSystem = this.#options.wrap?.(disk) ?? disk
    const logger = recordingLogger(warnings)
    const store = await openOn(fileSystem, this.#shape, clock, { logger })
    return { store, disk, clock, tables: new Map() }
  }

  /** Actions, some at the same time, until the crash or the close. */
  async #live({ store, disk, clock, tables }: Opened, model: StoreModel): Promise<void> {
    const random = this.#random
    const shape = this.#shape
    const life = new Life({ store, disk, model, shape, clock, random, trace: this.#trace, tables })
    this.#trace.note(`life with epoch ${store.leaderEpoch}`)
    const isFull = this.#plantTrouble(life)
    const running: Promise<void>[] = []
    for (let step = 0; step < shape.steps; step++) {
      if (isFull && random.chance(0.2)) this.#fillOrMakeRoom(life)
      const work = life.run(() => takeAction(life))
      if (random.chance(0.5)) await work
      else running.push(work)
    }
    if (random.chance(0.25)) running.push(life.run(() => close(life)))
    // Else the crash comes while work is under way.
    if (random.chance(0.7)) await Promise.all(running)
    else await turns(random.below(6))
    this.#endLife(life)
  }

  /** What this life meets before its end. @returns whether the disk is full now and then. */
  #plantTrouble(life: Life): boolean {
    const random = this.#random
    // What a full disk refused is told by reading, which a machine that has stopped does not.
    if (random.chance(0.2)) return true
    const first = life.disk.operationCount
    if (random.chance(0.75)) life.disk.stopAt(first + 1 + random.below(160))
    if (random.chance(0.3)) {
      life.plantFaults(first + 20 + random.below(150), random.pick([0.005, 0.02, 0.1]))
    }
    if (random.chance(0.05)) life.plantReadFault(1 + random.below(60))
    return false
  }

  #fillOrMakeRoom(life: Life): void {
    const random = this.#random
    if (random.chance(0.3)) life.makeRoom()
    else life.fill(random.below(random.pick([1, 200, 2_000, 20_000])))
  }

  #endLife(life: Life): void {
    this.#nowMs = life.clock.now()
    for (const { log, model } of life.allLogs()) {
      // A truncation that failed half-way may yet take what it was to take.
      if (model.isTruncating) continue
      // Not acknowledged to anybody, but said to be durable.
      model.ackedAtDisk(Math.min(log.durableOffset, model.accepted.length))
    }
    life.end()
    life.rethrow()
  }

  /** Crashes `disk`, recovers, compares with `model`, and does so again. */
  async #recover(
    disk: SimFileSystem,
    model: StoreModel,
    isProcess: boolean,
  ): Promise<{ opened: Opened; model: StoreModel }> {
    const random = this.#random
    // Cut bytes that the next process does not see may yet come back: no model of what it shows.
    let state = this.#crash(disk, model.isTruncating ? 0 : isProcess ? 1 : 0.1)
    while (random.chance(0.25)) state = await this.#interruptRecovery(state, model)
    const first = await this.#open(state.disk)
    const bounds = checkStore(first.store, model, state.loss)
    await checkTables(first.store, model)
    await checkCommits(first.store, model, state.loss)
    this.#checks++
    if (random.chance(0.3)) await turns(1 + random.below(3))
    const next = this.#crash(first.disk, 0.5)
    checkRetries(first.store, model.clone())
    silence(first.disk)
    if (random.chance(0.2)) await this.#damage(next.disk, model)
    const second = await this.#open(next.disk)
    const boundsAgain = checkStore(second.store, model, next.loss)
    const tables = await checkTables(second.store, model)
    await checkCommits(second.store, model, next.loss)
    // After a power cut all that was found was durable, so nothing of it may go.
    if (state.loss === 'power') checkSameBounds(bounds, boundsAgain)
    this.#checks++
    return { opened: { ...second, tables }, model }
  }

  #crash(disk: SimFileSystem, processShare: number): { disk: SimFileSystem; loss: Loss } {
    const isProcess = this.#random.chance(processShare)
    const crashClass = this.#random.pick(crashClasses)
    this.#trace.note(isProcess ? 'the process dies' : `power goes: ${crashClass}`)
    this.#place = `${this.#place.replace(/:.*/, '')}: ${isProcess ? 'process' : crashClass}`
    const found = isProcess ? disk.processCrash() : disk.crash({ class: crashClass })
    this.#trace.follow(found)
    return { disk: found, loss: isProcess ? 'process' : 'power' }
  }

  /** A recovery that stops half-way, or fails because the disk does; and what it leaves. */
  async #interruptRecovery(
    state: { disk: SimFileSystem; loss: Loss },
    model: StoreModel,
  ): Promise<{ disk: SimFileSystem; loss: Loss }> {
    const random = this.#random
    const { disk } = state
    const how = random.pick(['stop', 'stop', 'operation', 'read', 'full'] as const)
    this.#trace.note(`recovery with a fault: ${how}`)
    const ahead = 1 + random.below(how === 'read' ? 40 : 25)
    if (how === 'full') disk.limitSpace(random.below(random.pick([1, 500, 5_000])))
    else if (how === 'stop') disk.stopAt(disk.operationCount + ahead)
    else if (how === 'read') disk.failRead(disk.readCount + ahead, { errno: 'EIO' })
    else disk.failOperation(disk.operationCount + ahead, { errno: random.pick(['EIO', 'ENOSPC']) })
    try {
      const { store } = await this.#open(disk)
      // Without room it has all that it has with it.
      if (how === 'full') checkStore(store, model.clone(), state.loss)
    } catch (error) {
      if (!isInterruption(error)) throw error
    }
    const next = this.#crash(disk, state.loss === 'power' ? 0 : 0.5)
    silence(disk)
    if (model.stop === 'clean') model.stop = 'either'
    return next
  }

  /** One bit of one log file is wrong: nobody may be served it. */
  async #damage(disk: SimFileSystem, model: StoreModel): Promise<void> {
    const random = this.#random
    const damaged = disk.processCrash()
    const names = [...model.topics].flatMap(([name, { logs }]) => {
      return logs.map((_, index) => `${dataPath}/${name}-${index}`)
    })
    const directory = random.pick(names.filter((name) => damaged.stat(name) !== undefined))
    if (directory === undefined) return
    const files = damaged.readDirectory(directory).filter((name) => name.endsWith('.log'))
    const path = `${directory}/${random.pick(files)}`
    const sizeBytes = damaged.stat(path)?.sizeBytes ?? 0
    if (files.length === 0 || sizeBytes === 0) return
    const position = random.below(sizeBytes)
    this.#trace.note(`a bit of ${path} turns at byte ${position}`)
    damaged.flipBits(path, position, 1 << random.below(8))
    const warnings: string[] = []
    try {
      const { store } = await this.#open(damaged, warnings)
      checkDamaged(store, model, warnings)
    } catch (error) {
      if (!(error instanceof LogError)) throw error
    }
    silence(damaged)
    this.#checks++
  }
}

/** Stops what a store that nobody waits for still has under way. */
function silence(disk: SimFileSystem): void {
  if (!disk.hasStopped) disk.stopAt(disk.operationCount + 1)
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** What opening may answer when the disk stops or fails: the crash, or an error with a code. */
function isInterruption(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof SimCrash) return true
  }
  if (!(error instanceof LogError)) return false
  assert.ok(['ERR_STORAGE', 'ERR_LOG_FAILED'].includes(error.code), error.message)
  return true
}
