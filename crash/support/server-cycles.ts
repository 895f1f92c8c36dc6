/** A server killed again and again under load from clients, on one port and one directory. */
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { registerKafkaCodecs } from '../../demo/kafkajs-codecs.ts'
import type { SimRandom } from '../../src/platform/sim-random.ts'
import {
  createTopics,
  IdempotentLoad,
  KcatLoad,
  kcatMissing,
  type Load,
  layout,
  loadByKafkajs,
  loadByRawClient,
} from './client-load.ts'
import type { CrashRun } from './crash-run.ts'
import { afterKill } from './log-model.ts'
import { strangeFiles } from './plain-format.ts'
import { readServer } from './read-server.ts'
import { dumpCounts, ServerProcess } from './server-process.ts'
import { StoreModel } from './store-model.ts'

/** A directory is used this often before the next begins, so that checks stay short. */
const cyclesPerDirectory = 20
const maxAcksBeforeKill = 150
/** Bounds a cycle on a machine that is busy with something else. */
const maxLoadMs = 10_000

export async function killServer(run: CrashRun, directory: string): Promise<void> {
  registerKafkaCodecs()
  if (kcatMissing !== undefined) run.say(`without kcat: ${kcatMissing}`)
  for (let first = 0; first < run.cycles && !run.isOver; first += cyclesPerDirectory) {
    const count = Math.min(cyclesPerDirectory, run.cycles - first)
    rmSync(directory, { recursive: true, force: true })
    mkdirSync(directory, { recursive: true })
    const life = new ServerLife(run, directory)
    const endRun = run.onEnd(() => life.abandon())
    try {
      await life.live(first, count)
    } finally {
      life.abandon()
      endRun()
    }
  }
}

/** One directory from its creation to a clean stop. */
class ServerLife {
  readonly #run: CrashRun
  readonly #directory: string
  readonly #model = new StoreModel()
  #server!: ServerProcess
  #idempotent!: IdempotentLoad

  constructor(run: CrashRun, directory: string) {
    this.#run = run
    this.#directory = directory
    for (const topic of Object.keys(layout)) this.#model.created(topic)
  }

  abandon(): void {
    this.#server?.kill().catch(() => {}) // Its end is not waited for.
  }

  async live(first: number, count: number): Promise<void> {
    this.#server = new ServerProcess(this.#directory, 0)
    await this.#server.listening()
    await createTopics(this.#server.port)
    this.#idempotent = new IdempotentLoad(this.#server.port, `from${first}.id`)
    for (let cycle = first; cycle < first + count && !this.#run.isOver; cycle++) {
      const random = this.#run.random('server', cycle)
      const isLast = cycle === first + count - 1
      await this.#loadAndEnd(cycle, random, isLast, cycle === first)
      if (!isLast && random.chance(0.15)) await this.#killAtStart(random)
      this.#server = new ServerProcess(this.#directory, this.#server.port)
      await this.#server.listening()
      await this.#idempotent.pause()
      const records = await this.#check(`server cycle ${cycle}`)
      this.#run.cycleDone('server kill', records, this.#run.cycles)
    }
    await this.#idempotent.end()
    await this.#checkStopped(`server cycles ${first} to ${first + count - 1}`)
  }

  /** One cycle's load, and the end of the server in the middle of it. */
  async #loadAndEnd(
    cycle: number,
    random: SimRandom,
    isClean: boolean,
    isFirst: boolean,
  ): Promise<void> {
    const acksBefore = 1 + random.below(maxAcksBeforeKill)
    const extraMs = random.below(20)
    let acks = 0
    let isEnding = false
    let onEnough: () => void = () => {}
    const enough = new Promise<void>((resolve) => {
      onEnough = resolve
    })
    const load: Load = {
      port: this.#server.port,
      model: this.#model,
      random,
      life: `c${cycle}`,
      onAck: () => {
        if (++acks >= acksBefore) onEnough()
      },
      isEnding: () => isEnding,
    }
    if (isFirst) await this.#idempotent.start(load)
    else this.#idempotent.resume(load)
    const kcat = kcatMissing === undefined ? new KcatLoad(load) : undefined
    const loads = Promise.all([
      loadByKafkajs(load, 'one', 1),
      loadByKafkajs(load, 'all', -1),
      loadByRawClient(load, 'r0'),
      loadByRawClient(load, 'r1'),
    ])
    const late = setTimeout(onEnough, maxLoadMs)
    await Promise.race([enough, loads])
    clearTimeout(late)
    await new Promise((resolve) => setTimeout(resolve, extraMs))
    isEnding = true
    if (isClean) {
      const code = await this.#server.stop()
      if (code !== 0) this.#found(cycle, [`the server stopped with ${code}`])
    } else await this.#server.kill()
    await kcat?.kill()
    await loads
    if (this.#server.complaints !== '') this.#found(cycle, [this.#server.complaints])
  }

  /** Killed while it starts, recovers or has just begun to listen. */
  async #killAtStart(random: SimRandom): Promise<void> {
    const server = new ServerProcess(this.#directory, this.#server.port)
    await new Promise((resolve) => setTimeout(resolve, 80 + random.below(300)))
    await server.kill()
  }

  async #check(where: string): Promise<number> {
    const faults: string[] = []
    const logs = await readServer(this.#server.port, layout, faults)
    const topics = new Set(Object.keys(layout))
    const judged = this.#model.check({ topics, logs }, afterKill)
    this.#run.found(where, [...faults, ...judged.faults])
    return judged.records
  }

  /** Stops without load: the marker is there, the files are Kafka's, and dump reads every record. */
  async #checkStopped(where: string): Promise<void> {
    const faults: string[] = []
    const code = await this.#server.stop()
    if (code !== 0) faults.push(`the server stopped with ${code}: ${this.#server.complaints}`)
    const marker = join(this.#directory, '.kafka_cleanshutdown')
    if (!existsSync(marker)) faults.push('no marker of a clean stop')
    faults.push(...strangeFiles(this.#directory))
    const counts = dumpCounts(this.#directory)
    for (const [topic, partitions] of Object.entries(layout)) {
      for (let partition = 0; partition < partitions; partition++) {
        const name = `${topic}-${partition}`
        const { recordCount } = this.#model.log(name)
        const dumped = counts.get(name) ?? 0
        if (dumped !== recordCount)
          faults.push(`lost: dump gives ${dumped} of ${recordCount} records of ${name}`)
      }
    }
    this.#run.found(where, faults)
  }

  #found(cycle: number, faults: readonly string[]): void {
    this.#run.found(`server cycle ${cycle}`, faults)
  }
}
