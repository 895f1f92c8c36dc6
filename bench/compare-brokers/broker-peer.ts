/** What the bench asks of every broker: to be installed, started, loaded and ended. */
import { createServer } from 'node:net'
import type { Child } from '../../peers/child.ts'
import type { Workshop } from '../../peers/workshop.ts'
import type { LoadTool } from './load/load-tool.ts'

/**
 * What has happened to a record when its producer is told: it is in the page cache and outlives the
 * process, or it is synced and outlives the machine. Figures of the two are never compared, but in the
 * one target that says so.
 */
export type DurabilityClass = 'page cache' | 'synced'

export type StartOptions = {
  /** Empty, or what the same peer has left there. */
  readonly directory: string
  /** The core of all its threads; undefined leaves them to the scheduler. */
  readonly core: number | undefined
  /** The class it must have where that is a setting of the server. */
  readonly durability: DurabilityClass
  readonly port: number
}

export interface BrokerPeer {
  readonly name: string
  /** What is not the default, and why a fair comparison wants it so. */
  readonly settings: string
  /** Commands it needs; where one is missing the peer is not run. */
  readonly tools: readonly string[]
  /** Clients of Kafka can be its load. */
  readonly speaksKafka: boolean
  /** There is a way to make it sync each record before it acknowledges it. */
  readonly canSync: boolean
  /** The class is a setting of the server, so that each needs a server of its own. */
  readonly isSyncedByServer: boolean
  /** @throws NotRunError */
  install(workshop: Workshop): Promise<void>
  /** Resolves when it takes requests. */
  start(workshop: Workshop, options: StartOptions): Promise<RunningBroker>
  /** What is done once for a new directory, where that is a step of its own. */
  prepareDirectory?(workshop: Workshop, where: { directory: string; port: number }): Promise<void>
  /** Bytes of what is installed to run it, without the JVM or Node itself. */
  installedBytes(workshop: Workshop): Promise<number>
  /** Bytes of the package a registry would have, where it is ours. */
  packedBytes?(workshop: Workshop): Promise<number>
}

export class RunningBroker {
  readonly peer: BrokerPeer
  readonly host = '127.0.0.1'
  readonly port: number
  readonly directory: string
  readonly load: LoadTool
  readonly #children: readonly Child[]

  constructor(given: {
    peer: BrokerPeer
    port: number
    directory: string
    load: LoadTool
    children: readonly Child[]
  }) {
    this.peer = given.peer
    this.port = given.port
    this.directory = given.directory
    this.load = given.load
    this.#children = given.children
  }

  get address(): string {
    return `${this.host}:${this.port}`
  }

  /** Of all processes it consists of. */
  get pids(): number[] {
    return this.#children.map(({ pid }) => pid!)
  }

  /** Asks it to end and waits until it has. */
  async stop(): Promise<void> {
    for (const child of this.#children) child.stop()
    await this.#ended()
  }

  /** Ends it without warning. */
  async kill(): Promise<void> {
    for (const child of this.#children) child.signal('SIGKILL')
    await this.#ended()
  }

  async #ended(): Promise<void> {
    await Promise.all(this.#children.map(({ ended }) => ended))
  }
}

/** Longer than any workload: a server ends when its workload does. */
export const serverLimitMs = 3600_000

/** How long a server has to stop after it was asked. */
export const stopGraceMs = 30_000

const startLimitMs = 120_000

/** `command` on one core, which what it starts inherits. The process id is that of the command. */
export function onCore(
  core: number | undefined,
  command: string,
  args: readonly string[],
): [string, string[]] {
  if (core === undefined) return [command, [...args]]
  return ['taskset', ['-c', String(core), command, ...args]]
}

/** Waits for what a server says when it takes requests; one that does not say it in time is killed. */
export async function ready(child: Child, pattern: RegExp): Promise<RegExpExecArray> {
  const late = setTimeout(() => child.signal('SIGKILL'), startLimitMs)
  return child.said(pattern).finally(() => clearTimeout(late))
}

/** A port of the loopback that nobody listens on now. */
export function freePort(): Promise<number> {
  return listenOnce(0)
}

/** Nobody listens on that port of the loopback now. */
export async function isFree(port: number): Promise<boolean> {
  try {
    await listenOnce(port)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false
    throw error
  }
}

function listenOnce(wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(wanted, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
