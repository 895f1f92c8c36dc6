// Question  How many offset commits a second does a served store take, and how long does a
//           rebalance of many members last?
// Workload  Commits: 8 connections with 64 requests in flight each, one partition per request,
//           each connection a group of its own without members; acknowledged at `os` and at `disk`.
//           Rebalance: 100 members of one group on connections of their own (10 in the tiny run);
//           all are stable, then one more joins, and all join and sync again, the leader dealing
//           out 1,000 partitions.
// Measures  acknowledged commits/s; ms from when members hear of the newcomer until the last one has
//           its assignment: the joins of all, the syncs of all, and one write. Server and clients share this process. Not: fetching offsets.
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { heartbeatApi } from '../../src/broker/api/heartbeat.ts'
import { joinGroupApi } from '../../src/broker/api/join-group.ts'
import { offsetCommitApi } from '../../src/broker/api/offset-commit.ts'
import { syncGroupApi } from '../../src/broker/api/sync-group.ts'
import {
  type Api,
  type RequestInputOf,
  type ResponseOf,
  readResponse,
  writeRequest,
} from '../../src/protocol/api.ts'
import { openStore } from '../../src/public.ts'
import { serve } from '../../src/public-server.ts'

export type GroupRow = {
  readonly what: string
  readonly commitsPerSecond: number | undefined
  readonly rebalanceMs: number | undefined
}

type Level = 'os' | 'disk'

const connections = 8
const inFlight = 64

/** Runs the whole file; `tiny` inputs only show that it works. */
export async function run(options: { readonly tiny: boolean }): Promise<GroupRow[]> {
  const commits = options.tiny ? 2_000 : 400_000
  const members = options.tiny ? 10 : 100
  const rows: GroupRow[] = []
  for (const level of ['os', 'disk'] as const) {
    const perSecond = await withServer(level, (port) => measureCommits(port, commits))
    const what = `commits at ${level}`
    rows.push({ what, commitsPerSecond: perSecond, rebalanceMs: undefined })
  }
  const rebalanceMs = await withServer('disk', (port) => measureRebalance(port, members))
  rows.push({ what: `rebalance of ${members}`, commitsPerSecond: undefined, rebalanceMs })
  return rows
}

async function withServer<T>(level: Level, use: (port: number) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'stratalog-bench-'))
  try {
    const store = await openStore(directory)
    await store.createTopic('t', { partitions: 1 })
    const server = await serve(store, { port: 0, acksLevels: { all: level } })
    try {
      return await use(server.port)
    } finally {
      await server.close()
      await store.close()
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
}

async function measureCommits(port: number, count: number): Promise<number> {
  const clients = await Promise.all(Array.from({ length: connections }, () => Client.open(port)))
  let sent = 0
  let refused = 0
  const commitAll = async (client: Client, group: string): Promise<void> => {
    while (sent < count) {
      const committedOffset = sent++
      const partition = { partitionIndex: 0, committedOffset, committedMetadata: '' }
      const topics = [{ name: 't', partitions: [partition] }]
      const answer = await client.ask(offsetCommitApi, 7, { groupId: group, memberId: '', topics })
      refused += Math.abs(answer.topics[0]!.partitions[0]!.errorCode)
    }
  }
  const start = performance.now()
  await Promise.all(
    clients.flatMap((client, i) =>
      Array.from({ length: inFlight }, () => commitAll(client, `group-${i}`)),
    ),
  )
  const seconds = (performance.now() - start) / 1000
  for (const client of clients) client.close()
  if (refused > 0) throw new Error('a commit was refused')
  return count / seconds
}

async function measureRebalance(port: number, count: number): Promise<number> {
  const clients = await Promise.all(Array.from({ length: count }, () => Client.open(port)))
  const ids: string[] = new Array<string>(count).fill('')
  /** All but the newcomer are there first. */
  const settled = clients.slice(1)
  const first = settled.map((client, i) => joinAndSync(client, i + 1, ids))
  await Promise.all(first)
  const newcomer = joinAndSync(clients[0]!, 0, ids)
  await whenRebalancing(clients[1]!, ids[1]!)
  const start = performance.now()
  await Promise.all([newcomer, ...settled.map((client, i) => joinAndSync(client, i + 1, ids))])
  const rebalanceMs = performance.now() - start
  for (const client of clients) client.close()
  return rebalanceMs
}

const group = 'g'

async function joinAndSync(client: Client, index: number, ids: string[]): Promise<void> {
  for (;;) {
    const joined = await client.ask(joinGroupApi, 9, {
      groupId: group,
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 60_000,
      memberId: ids[index]!,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.alloc(50) }],
    })
    ids[index] = joined.memberId
    if (joined.errorCode !== 0) continue
    const assignment = Buffer.alloc((1_000 / Math.max(joined.members.length, 1)) * 4)
    const assignments = joined.members.map(({ memberId }) => ({ memberId, assignment }))
    const { generationId, memberId } = joined
    const asked = { groupId: group, generationId, memberId, assignments }
    if ((await client.ask(syncGroupApi, 5, asked)).errorCode === 0) return
  }
}

/** Resolves when the group has heard of the newcomer. */
async function whenRebalancing(client: Client, memberId: string): Promise<void> {
  const rebalanceInProgress = 27
  for (let generationId = 1; ; ) {
    const beat = { groupId: group, generationId, memberId }
    const { errorCode } = await client.ask(heartbeatApi, 4, beat)
    if (errorCode === rebalanceInProgress) return
    if (errorCode !== 0) generationId++
  }
}

/** One connection with any number of requests in flight; answers come in their order. */
class Client {
  readonly #socket: Socket
  readonly #waiting: ((frame: Buffer) => void)[] = []
  #rest: Buffer = Buffer.alloc(0)
  #unsent: Buffer[] = []

  static async open(port: number): Promise<Client> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new Client(socket)
  }

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#onData(chunk))
  }

  async ask<A extends Api>(
    api: A,
    version: number,
    body: RequestInputOf<A>,
  ): Promise<ResponseOf<A>> {
    const header = { apiVersion: version, correlationId: 1, clientId: 'bench' }
    if (this.#unsent.length === 0) queueMicrotask(() => this.#send())
    for (const part of writeRequest(api, header, body).parts) this.#unsent.push(part as Buffer)
    const frame = await new Promise<Buffer>((resolve) => this.#waiting.push(resolve))
    return readResponse(api, version, frame).body
  }

  close(): void {
    this.#socket.destroy()
  }

  #send(): void {
    const parts = this.#unsent
    this.#unsent = []
    this.#socket.write(Buffer.concat(parts))
  }

  #onData(chunk: Buffer): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0)) {
      const end = 4 + bytes.readInt32BE(0)
      this.#waiting.shift()?.(bytes.subarray(4, end))
      bytes = bytes.subarray(end)
    }
    this.#rest = bytes
  }
}
