/**
 * The exhaustive search: a scripted history, a crash at every operation of its disk and in every
 * class, a crash at the operations of the recoveries after that, and a fault at every operation and
 * every read. The seed decides only what the disk does of its own.
 */
import { LogError } from '../../src/base/errors.ts'
import type { FileSystem } from '../../src/platform/file-system.ts'
import { type CrashClass, crashClasses } from '../../src/platform/sim-crash-class.ts'
import { SimCrash, type SimFault } from '../../src/platform/sim-failure.ts'
import type { SimFileSystem, SimOperation } from '../../src/platform/sim-file-system.ts'
import { SimRandom } from '../../src/platform/sim-random.ts'
import { checkRetries, checkSameBounds, checkStore, type Loss } from './check.ts'
import { checkTables } from './check-tables.ts'
import { HistoryFailure } from './history-failure.ts'
import { HistoryTrace } from './history-trace.ts'
import { Life } from './life.ts'
import { StoreModel } from './model.ts'
import { readAll } from './moves.ts'
import { readTable } from './moves-groups.ts'
import type { Script } from './script.ts'
import { type ScriptName, scriptNamed } from './scripts.ts'
import { seedIds } from './seeded-ids.ts'
import { newDisk, openOn } from './shapes.ts'
import { SimClock } from './sim-clock.ts'

export type SearchOptions = {
  readonly seed: number
  /** Which history. Default: `logs`. */
  readonly script?: ScriptName
  /** Stands between engine and disk: a way to plant bugs. Default: nothing does. */
  readonly wrap?: (disk: SimFileSystem) => FileSystem
  /** Only the crash or fault at this operation or read. Default: each. */
  readonly at?: number
  /** Asked between two places, with the checks so far; true stops the search there. */
  readonly isEnough?: (checks: number) => boolean
}

export type SearchResult = {
  /** Operations of the script: places to crash at. */
  readonly operations: number
  readonly reads: number
  /** Crashes that were recovered from and compared with the model. */
  readonly checks: number
}

/** One state of a crash for each of these; the classes that choose by chance are drawn twice. */
const drawnClasses: readonly CrashClass[] = [...crashClasses, 'random-sectors', 'random-pages']

/** What a full disk refuses. */
const spaceTakers: readonly SimOperation['kind'][] = ['write', 'create', 'make-directory']

/** A crash at every operation of the recovery, after a crash at every so manieth of the script. */
const recoveryCrashEvery = 10

/** @throws (rejects) HistoryFailure when a promise was not kept. */
export function searchExhaustively(options: SearchOptions): Promise<SearchResult> {
  return new Search(options).run()
}

type End = { readonly disk: SimFileSystem; readonly model: StoreModel }

class Search {
  readonly #options: SearchOptions
  readonly #script: Script
  #trace = new HistoryTrace()
  #place = ''
  #checks = 0
  #at = 0
  /** Recoveries at this place so far: what differs from one to the next follows from it. */
  #round = 0

  constructor(options: SearchOptions) {
    this.#options = options
    this.#script = scriptNamed(options.script ?? 'logs')
  }

  async run(): Promise<SearchResult> {
    try {
      const takesSpace: boolean[] = []
      const whole = await this.#play((disk) => {
        const told = disk.onOperation
        disk.onOperation = (operation) => {
          takesSpace[operation.number] = spaceTakers.includes(operation.kind)
          told?.(operation)
        }
      })
      const operations = whole.disk.operationCount
      const reads = whole.disk.readCount
      for (const at of this.#places(operations)) {
        await this.#crashAt(at)
        await this.#failAt(at, { errno: 'EIO' })
        if (takesSpace[at] === true) await this.#failAt(at, { errno: 'ENOSPC' })
      }
      for (const at of this.#places(reads)) await this.#failReadAt(at)
      return { operations, reads, checks: this.#checks }
    } catch (cause) {
      throw this.#failure(cause)
    }
  }

  *#places(count: number): Generator<number> {
    const { at, isEnough } = this.#options
    for (let place = at ?? 1; place <= Math.min(count, at ?? count); place++) {
      if (isEnough?.(this.#checks) === true) return
      this.#at = place
      this.#round = 0
      yield place
    }
  }

  #failure(cause: unknown): HistoryFailure {
    const { seed } = this.#options
    const { name } = this.#script
    const at = this.#at
    const where = `STRATALOG_CRASH_SCRIPT=${name} STRATALOG_CRASH_SEED=${seed} STRATALOG_CRASH_AT=${at}`
    return new HistoryFailure({
      place: `script ${name} with seed ${seed}, ${this.#place}`,
      replay: [
        `${where} npx vitest run --project unit test/crash/exhaustive.test.ts`,
        `npm run crash -- --mode exhaustive --script ${name} --seed ${seed} --at ${at}`,
      ],
      trace: this.#trace.lines(),
      cause,
    })
  }

  /** Plays the script on a new disk that `prepare` was told of, as far as the disk goes. */
  async #play(
    prepare: (disk: SimFileSystem) => void,
    hasMetFault: (disk: SimFileSystem) => boolean = () => false,
  ): Promise<End & { life?: Life }> {
    const { seed } = this.#options
    seedIds(seed)
    this.#trace = new HistoryTrace()
    const disk = newDisk(seed)
    this.#trace.follow(disk)
    prepare(disk)
    const model = new StoreModel()
    const clock = new SimClock()
    let life: Life | undefined
    for (const steps of this.#script.lives) {
      const opened = await this.#openForLife(disk, model, clock)
      if (opened === undefined) break
      life = opened
      life.hasMetFault = () => hasMetFault(disk)
      for (const step of steps) {
        if (disk.hasStopped) break
        const current: Life = life
        await life.run(async () => void (await step(current)))
      }
      life.rethrow()
      if (disk.hasStopped || model.stop !== 'clean') break
    }
    if (life === undefined) return { disk, model }
    for (const { log, model: known } of life.allLogs()) {
      known.ackedAtDisk(Math.min(log.recoveryPoint, known.accepted.length))
    }
    return { disk, model, life }
  }

  async #openForLife(
    disk: SimFileSystem,
    model: StoreModel,
    clock: SimClock,
  ): Promise<Life | undefined> {
    try {
      const store = await openOn(this.#wrapped(disk), this.#script.shape, clock)
      checkStore(store, model, 'process')
      const tables = await checkTables(store, model)
      const random = new SimRandom(this.#options.seed)
      const { shape } = this.#script
      return new Life({ store, disk, model, shape, clock, random, trace: this.#trace, tables })
    } catch (error) {
      if (!isInterruption(error)) throw error
      // The marker of a clean stop may be gone.
      if (model.stop === 'clean') model.stop = 'either'
      return undefined
    }
  }

  async #crashAt(at: number): Promise<void> {
    this.#place = `crash at operation ${at}`
    const { disk, model, life } = await this.#play((one) => one.stopAt(at))
    life?.end()
    for (const [i, crashClass] of drawnClasses.entries()) {
      const found = this.#lose(disk, crashClass, at * 100 + i)
      await this.#recoverTwice(found, model.clone(), 'power', crashClass)
    }
    await this.#recoverTwice(this.#lose(disk, 'process', 0), model.clone(), 'process', 'process')
    if (at % recoveryCrashEvery === 0) await this.#crashRecovery(disk, model, at)
  }

  /** The state after a crash, followed by the trace. */
  #lose(disk: SimFileSystem, crashClass: CrashClass | 'process', seed: number): SimFileSystem {
    this.#trace.note(crashClass === 'process' ? 'the process dies' : `power goes: ${crashClass}`)
    const found =
      crashClass === 'process' ? disk.processCrash() : disk.crash({ class: crashClass, seed })
    this.#trace.follow(found)
    return found
  }

  async #recoverTwice(
    found: SimFileSystem,
    model: StoreModel,
    loss: Loss,
    name: string,
  ): Promise<void> {
    this.#place = `${this.#place.replace(/, then .*/, '')}, then ${name}`
    // A truncation that had begun is not durable: the next cut may undo what the first showed.
    const isUndecided = loss === 'process' && model.isTruncating
    const store = await this.#open(found)
    const bounds = checkStore(store, model, loss)
    await checkTables(store, model)
    this.#checks++
    const isPower = loss === 'power' || this.#at % 2 === 0
    const next = this.#lose(found, isPower ? 'nothing-unsynced' : 'process', ++this.#round)
    checkRetries(store, model.clone())
    silence(found)
    if (isUndecided && isPower) return
    const again = await this.#open(next)
    const boundsAgain = checkStore(again, model, isPower ? 'power' : 'process')
    await checkTables(again, model)
    if (loss === 'power') checkSameBounds(bounds, boundsAgain)
    silence(next)
    this.#checks++
  }

  async #crashRecovery(disk: SimFileSystem, model: StoreModel, at: number): Promise<void> {
    const crashClass = crashClasses[(at / recoveryCrashEvery) % crashClasses.length]!
    for (let ahead = 1; ; ahead++) {
      this.#place = `crash at operation ${at}, ${crashClass}, crash at operation ${ahead} of recovery`
      const found = this.#lose(disk, crashClass, at)
      found.stopAt(found.operationCount + ahead)
      try {
        await this.#open(found)
      } catch (error) {
        if (!isInterruption(error)) throw error
      }
      const isWhole = !found.hasStopped
      silence(found)
      const next = crashClasses[(at + ahead) % crashClasses.length]!
      const left = model.clone()
      if (left.stop === 'clean') left.stop = 'either'
      await this.#recoverTwice(this.#lose(found, next, ahead), left, 'power', next)
      if (isWhole) return
    }
  }

  async #failAt(at: number, fault: SimFault): Promise<void> {
    this.#place = `${fault.errno} at operation ${at}`
    await this.#endWithFault(
      (disk) => disk.failOperation(at, fault),
      (disk) => disk.operationCount >= at,
    )
  }

  async #failReadAt(at: number): Promise<void> {
    this.#place = `EIO at read ${at}`
    await this.#endWithFault(
      (disk) => disk.failRead(at, { errno: 'EIO' }),
      (disk) => disk.readCount >= at,
    )
  }

  /** Plays on after a fault: what is in memory holds, and after a power cut so does the disk. */
  async #endWithFault(
    prepare: (disk: SimFileSystem) => void,
    hasMetFault: (disk: SimFileSystem) => boolean,
  ): Promise<void> {
    const { disk, model, life } = await this.#play(prepare, hasMetFault)
    for (const target of life?.targets() ?? []) {
      if (target.log.state !== 'closed') readAll(life!, target)
    }
    for (const target of life?.tables.values() ?? []) {
      if (target.table.log.state !== 'closed') readTable(life!, target)
    }
    life?.end()
    for (const crashClass of ['nothing-unsynced', 'random-sectors'] as const) {
      const found = this.#lose(disk, crashClass, this.#at)
      await this.#recoverTwice(found, model.clone(), 'power', crashClass)
    }
  }

  #open(disk: SimFileSystem) {
    return openOn(this.#wrapped(disk), this.#script.shape, new SimClock())
  }

  #wrapped(disk: SimFileSystem): FileSystem {
    return this.#options.wrap?.(disk) ?? disk
  }
}

/** Stops what a store that nobody waits for still has under way. */
function silence(disk: SimFileSystem): void {
  if (!disk.hasStopped) disk.stopAt(disk.operationCount + 1)
}

/** What opening may answer when the disk stops or fails: the crash, or an error with a code. */
function isInterruption(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof SimCrash) return true
  }
  return error instanceof LogError && ['ERR_STORAGE', 'ERR_LOG_FAILED'].includes(error.code)
}
