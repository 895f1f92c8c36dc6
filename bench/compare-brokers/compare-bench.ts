/** What stands around all workloads: peers, servers, rounds and what the kernel counts of them. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Workshop } from '../../peers/workshop.ts'
import { warmMemory } from '../support/warm-memory.ts'
import {
  type BrokerPeer,
  type DurabilityClass,
  freePort,
  type RunningBroker,
} from './broker-peer.ts'
import type { LoadResult } from './load/load-tool.ts'
import type { WorkloadId } from './names.ts'
import type { CompareOptions } from './options.ts'
import { cpuSecondsOf, peakBytesOf, resetPeak } from './process-usage.ts'
import { type Measures, type Row, rowOf } from './row.ts'

export const serverCore = 0
export const clientCore = 1

/** One of those that are compared: a broker, and what it is asked to promise. */
export type Side = {
  readonly peer: BrokerPeer
  readonly class: DurabilityClass
  readonly acks: 1 | -1
}

export type Turn = {
  readonly side: Side
  readonly broker: RunningBroker
  /** For the client. */
  readonly core: number | undefined
  /** Unlike that of any other turn. */
  readonly topic: string
  /** The first turn of a side warms it up, and does not count. */
  readonly isWarmUp: boolean
}

export type Contest = {
  readonly workload: WorkloadId
  readonly what: string
  readonly sides: readonly Side[]
  /** The load generator, where it is not the broker's own. */
  readonly client?: string
  /** Only this way; both as a rule. */
  readonly isPinned?: boolean
  turn(turn: Turn): Promise<Measures>
}

export class CompareBench {
  readonly options: CompareOptions
  readonly workshop: Workshop
  readonly ours: BrokerPeer
  /** Those that can run here, ours first. */
  readonly peers: readonly BrokerPeer[]
  readonly #dataFolder: string
  readonly #isMeasured: boolean
  #turns = 0

  /**
   * @param given its `peers` begin with ours; `dataFolder` is where servers have their directories;
   * `isMeasured` false where no figure is looked at, and nothing need be made ready for one.
   */
  constructor(given: {
    options: CompareOptions
    workshop: Workshop
    peers: readonly BrokerPeer[]
    dataFolder: string
    isMeasured?: boolean
  }) {
    this.options = given.options
    this.workshop = given.workshop
    this.peers = given.peers
    this.ours = given.peers[0]!
    this.#dataFolder = given.dataFolder
    this.#isMeasured = given.isMeasured ?? true
  }

  /** Before every turn. */
  warmMemory(): void {
    if (this.#isMeasured) warmMemory()
  }

  /** `full` records at full size, fewer where the bench was asked for less; a multiple of 64. */
  records(full: number): number {
    return Math.max(64, Math.round((full * this.options.scale) / 64) * 64)
  }

  get kafkaPeers(): BrokerPeer[] {
    return this.peers.filter(({ speaksKafka }) => speaksKafka)
  }

  /**
   * All contests, for each way of pinning: the servers are started once, every side of every contest
   * has a turn to warm it up, and then come the rounds, in each of which every side of every contest
   * has one turn: A B A B …
   *
   * @param prepare is called once for every server, before the contests.
   */
  async contests(
    contests: readonly Contest[],
    prepare: (broker: RunningBroker, core: number | undefined) => Promise<void> = async () => {},
  ): Promise<Row[]> {
    const rows: Row[] = []
    for (const pinned of this.options.pinning) {
      const chosen = contests.filter(({ isPinned = pinned }) => isPinned === pinned)
      const servers = new Servers(this, pinned)
      try {
        for (const { sides } of chosen) for (const side of sides) await servers.of(side)
        for (const broker of servers.all) await prepare(broker, pinned ? clientCore : undefined)
        rows.push(...(await this.#rounds(chosen, servers, pinned)))
      } finally {
        await servers.stop()
      }
    }
    return rows
  }

  async #rounds(contests: readonly Contest[], servers: Servers, pinned: boolean): Promise<Row[]> {
    const entries = contests.flatMap((contest) =>
      contest.sides.map((side) => ({ contest, side, rounds: [] as Measures[] })),
    )
    for (let round = -1; round < this.options.rounds; round++) {
      for (const { contest, side, rounds } of entries) {
        this.warmMemory()
        const measures = await contest.turn({
          side,
          broker: await servers.of(side),
          core: pinned ? clientCore : undefined,
          topic: `t${++this.#turns}`,
          isWarmUp: round === -1,
        })
        if (round >= 0) rounds.push(measures)
      }
    }
    const brokers = await Promise.all(entries.map(({ side }) => servers.of(side)))
    return entries.map(({ contest, side, rounds }, at) => {
      const { workload, what, client = brokers[at]!.load.name } = contest
      const about = { workload, what, peer: side.peer.name, class: side.class, pinned, client }
      return rowOf(about, rounds)
    })
  }

  /** Does `load` and measures what it costs the server. */
  async metered(broker: RunningBroker, load: () => Promise<LoadResult>): Promise<Measured> {
    const { pids } = broker
    resetPeak(pids)
    const before = cpuSecondsOf(pids)
    const result = await load()
    const cpuSeconds = cpuSecondsOf(pids) - before
    return {
      result,
      measures: { ...costs(result, cpuSeconds), peakMb: peakBytesOf(pids) / 1e6 },
    }
  }

  /** A new directory for a server. */
  makeDirectory(name: string): string {
    return mkdtempSync(join(this.#dataFolder, `${name}-`))
  }
}

/** @param cpuSeconds of the server, for all records, those to warm up among them. */
export function costs(result: LoadResult, cpuSeconds: number) {
  const { records, bytes, seconds, warmUpRecords = 0 } = result
  // Some loads do not count records.
  const measured = warmUpRecords === 0 ? 1 : records / (records + warmUpRecords)
  return {
    recordsPerSecond: records / seconds,
    mbPerSecond: bytes / 1e6 / seconds,
    cpuSecondsPerGb: (cpuSeconds * measured) / (bytes / 1e9),
    cpuUsPerRecord: (cpuSeconds * measured * 1e6) / records,
  } satisfies Measures
}

export type Measured = { readonly result: LoadResult; readonly measures: Measures }

/** The servers of one workload: one of each peer, and one for each class where that is its setting. */
class Servers {
  readonly #bench: CompareBench
  readonly #pinned: boolean
  readonly #running = new Map<string, RunningBroker>()
  readonly #directories: string[] = []

  constructor(bench: CompareBench, pinned: boolean) {
    this.#bench = bench
    this.#pinned = pinned
  }

  get all(): RunningBroker[] {
    return [...this.#running.values()]
  }

  async of(side: Side): Promise<RunningBroker> {
    const { peer } = side
    const key = peer.isSyncedByServer ? `${peer.name} ${side.class}` : peer.name
    const known = this.#running.get(key)
    if (known !== undefined) return known
    const directory = this.#bench.makeDirectory(peer.name)
    mkdirSync(directory, { recursive: true })
    this.#directories.push(directory)
    const broker = await peer.start(this.#bench.workshop, {
      directory,
      core: this.#pinned ? serverCore : undefined,
      durability: side.class,
      port: await freePort(),
    })
    this.#running.set(key, broker)
    return broker
  }

  async stop(): Promise<void> {
    for (const broker of this.#running.values()) await broker.stop()
    for (const path of this.#directories) rmSync(path, { recursive: true, force: true })
  }
}
