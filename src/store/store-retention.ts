/**
 * Removes old segments: every `retentionIntervalMs`, and when asked to. What may go is decided by
 * log/retention.ts, from the settings of the moment; tables and internal topics are left alone.
 *
 *     look at every log, a few per turn → new starts in memory → all of them durable, in one write
 *                                       → segments renamed, log by log → removed after their delay
 *
 * A log that was not opened since a clean stop is looked at from outside, and opened only when
 * something of it goes.
 */
import type { Clock, Timer } from '../base/clock.ts'
import { LogError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import type { Offset } from '../base/types.ts'
import type { Log } from '../log/log.ts'
import type { LogEnvironment } from '../log/log-environment.ts'
import { type RetentionPlan, segmentsToDelete } from '../log/retention.ts'
import { Segment } from '../segment/segment.ts'
import { logSuffix, offsetOfFileName } from '../segment/segment-file-name.ts'
import { type PositionTable, positionKey, validOffset } from './consumer-position.ts'
import { logDirectoryName } from './store-layout.ts'
import type { Topic } from './topic.ts'

/** Before records that a consumer has not read are cut because of `stratalog.retain.max.bytes`. */
export type RetentionWarning = {
  /** `<topic>-<partition>`. */
  readonly log: string
  /** The slowest of `stratalog.retain.for`. */
  readonly consumer: string
  /** Bytes kept for it beyond the other limits of the log. */
  readonly heldBytes: number
  readonly capBytes: number
}

/** What one run removed. */
export type RetentionReport = { readonly segments: number; readonly bytes: number }

/** What retention needs of its store. */
export type RetentionHost = {
  readonly clock: Clock
  readonly logger: Logger
  readonly intervalMs: number
  readonly onWarning: (warning: RetentionWarning) => void
  topics(): Iterable<Topic>
  /** The topic was not deleted since. */
  isThere(topic: Topic): boolean
  environment(topic: Topic, partition: number): LogEnvironment
  /** Log start of a log that is not open. */
  logStart(name: string): Offset
  /** Makes the starts of all logs durable. */
  writeStarts(): void
  positions(): Promise<PositionTable | undefined>
}

/** A warning comes when this much of the cap is held. */
const warningShare = 0.75
/** Logs looked at in one turn of the loop. */
const logsPerTurn = 64

type Hold = { readonly consumer: string; readonly offset: Offset }
type Raised = { readonly log: Log; readonly start: Offset }

export class StoreRetention {
  readonly #host: RetentionHost
  /** Logs of which a warning was given and still holds. */
  readonly #warned = new Set<string>()
  #timer: Timer | undefined
  #running: Promise<unknown> = Promise.resolve()
  #isStopped = false

  constructor(host: RetentionHost) {
    this.#host = host
  }

  /** Runs from now on, the first time after one interval. */
  start(): void {
    const { clock, logger, intervalMs } = this.#host
    this.#timer = clock.after(intervalMs, () => {
      this.run().catch((error: unknown) => {
        // Tried again with the next run.
        logger.error({ error: String(error) }, 'old segments could not be removed')
      })
      if (!this.#isStopped) this.start()
    })
  }

  /** Ends the timer and waits for what runs. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#timer?.cancel()
    // How it ended is told to those who asked for it.
    await this.#running.catch(() => {})
  }

  /**
   * Removes what may go now, after a run that is under way. One log that fails does not keep the
   * others. @throws (rejects) the first failure, in the end.
   */
  run(): Promise<RetentionReport> {
    const run = this.#running.catch(() => {}).then(() => this.#run())
    this.#running = run
    return run
  }

  async #run(): Promise<RetentionReport> {
    const failures: unknown[] = []
    const raised: Raised[] = []
    const topics = Array.from(this.#host.topics()).filter((topic) => !topic.isInternal)
    const hasHolds = topics.some(({ config }) => config.settings.retention.retainFor.length > 0)
    const positions = hasHolds ? await this.#host.positions() : undefined
    let looks = 0
    for (const topic of topics) {
      for (let partition = 0; partition < topic.partitionCount; partition++) {
        if (++looks % logsPerTurn === 0) await turn()
        if (this.#isStopped) break
        try {
          const found = await this.#raise(topic, partition, positions)
          if (found !== undefined) raised.push(found)
        } catch (error) {
          this.#note(failures, logDirectoryName(topic.name, partition), error)
        }
      }
    }
    const report = { segments: 0, bytes: 0 }
    if (raised.length > 0) {
      this.#host.writeStarts()
      for (const one of raised) {
        try {
          await this.#free(one, report)
        } catch (error) {
          this.#note(failures, one.log.name, error)
        }
        await turn()
      }
    }
    if (failures.length > 0) throw failures[0]
    return report
  }

  #note(failures: unknown[], log: string, error: unknown): void {
    if (!(error instanceof LogError)) throw error
    this.#host.logger.warn({ log, error: error.message }, 'old segments of a log could not go')
    failures.push(error)
  }

  /** Moves the start of one log to where it may be; what is below goes when that is durable. */
  async #raise(
    topic: Topic,
    partition: number,
    positions: PositionTable | undefined,
  ): Promise<Raised | undefined> {
    if (!this.#host.isThere(topic)) return undefined
    const isOpen = topic.openLog(partition) !== undefined
    if (!isOpen && !this.#mayGoFromClosed(topic, partition, positions)) return undefined
    const log = topic.partition(partition)
    while (log?.isOpen === true && !this.#isStopped) {
      const hold = holdOf(topic, log.name, positions, log)
      const plan = this.#plan(topic, log, hold)
      if (this.#warnIfNear(topic, log.name, plan, hold)) continue
      if (plan.count === 0) return undefined
      if (plan.includesActive) log.roll()
      else if (plan.start > log.durableOffset) await log.reached('disk', plan.start)
      else {
        if (plan.cutCount > 0) this.#tellCut(log, plan, hold)
        log.raiseStart(plan.start)
        return { log, start: plan.start }
      }
    }
    return undefined
  }

  #plan(topic: Topic, log: Log, hold: Hold | undefined): RetentionPlan {
    return segmentsToDelete([...log.segments], topic.config.settings.retention, {
      logStart: log.startOffset,
      highWatermark: log.highWatermark,
      logEnd: log.endOffset,
      holdOffset: hold?.offset,
      nowMs: this.#host.clock.now(),
    })
  }

  /** @returns whether a warning was given: whoever heard it may have changed something. */
  #warnIfNear(topic: Topic, log: string, plan: RetentionPlan, hold: Hold | undefined): boolean {
    const capBytes = topic.config.settings.retention.maxHeldBytes
    const { heldBytes } = plan
    const isNear = hold !== undefined && heldBytes > 0 && heldBytes >= capBytes * warningShare
    if (!isNear) this.#warned.delete(log)
    if (!isNear || this.#warned.has(log)) return false
    this.#warned.add(log)
    const warning = { log, consumer: hold.consumer, heldBytes, capBytes }
    this.#host.logger.warn(warning, 'what is kept for a consumer comes near its cap')
    this.#host.onWarning(warning)
    return true
  }

  #tellCut(log: Log, plan: RetentionPlan, hold: Hold | undefined): void {
    const { heldBytes, start } = plan
    const fields = {
      log: log.name,
      consumer: hold?.consumer,
      from: hold?.offset,
      to: start,
      heldBytes,
    }
    this.#host.logger.warn(fields, 'records that a consumer has not read are removed: cap reached')
  }

  async #free({ log, start }: Raised, report: { segments: number; bytes: number }): Promise<void> {
    const { segments, bytes } = await log.freeGently(start)
    if (segments === 0) return
    report.segments += segments
    report.bytes += bytes
    this.#host.logger.info({ log: log.name, start, segments, bytes }, 'old segments were removed')
  }

  /** Whether something of a log that is not open may go, by its files alone. */
  #mayGoFromClosed(topic: Topic, partition: number, positions: PositionTable | undefined): boolean {
    const env = this.#host.environment(topic, partition)
    const { fileSystem, directory, name } = env
    const bases = fileSystem
      .readDirectory(directory)
      .map((file) => offsetOfFileName(file, logSuffix))
    const segments: Segment[] = []
    try {
      for (const base of bases) if (base !== undefined) segments.push(Segment.open(env, base))
      const [first] = segments
      if (first === undefined) return false
      const logEnd = segments[segments.length - 1]!.findNextOffset()
      const plan = segmentsToDelete(segments, topic.config.settings.retention, {
        logStart: Math.max(this.#host.logStart(name), first.baseOffset) as Offset,
        highWatermark: logEnd,
        logEnd,
        holdOffset: holdOf(topic, name, positions)?.offset,
        nowMs: this.#host.clock.now(),
      })
      return plan.count > 0 || plan.heldBytes > 0
    } finally {
      for (const segment of segments) segment.close()
    }
  }
}

/** The slowest of those a topic retains for; one that has committed nothing holds everything. */
function holdOf(
  topic: Topic,
  logName: string,
  positions: PositionTable | undefined,
  log?: Log,
): Hold | undefined {
  let slowest: Hold | undefined
  for (const consumer of topic.config.settings.retention.retainFor) {
    const stored = positions?.get(positionKey(consumer, logName))
    const entry = stored?.topicId === topic.id ? stored : undefined
    let offset = (entry?.offset ?? 0) as Offset
    if (entry !== undefined && log !== undefined) offset = validOffset(entry, log)
    if (slowest === undefined || offset < slowest.offset) slowest = { consumer, offset }
  }
  return slowest
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
