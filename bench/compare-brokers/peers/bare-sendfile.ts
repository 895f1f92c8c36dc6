/** No broker: a C program that sends one region of a file for every request, the bound of any fetch. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Workshop } from '../../../peers/workshop.ts'
import {
  type BrokerPeer,
  onCore,
  RunningBroker,
  ready,
  type StartOptions,
  serverLimitMs,
} from '../broker-peer.ts'
import type { LoadTool } from '../load/load-tool.ts'

/** What a fetch of one partition with this many bytes gets. */
export const bareAnswerBytes = 6 << 20

export class BareSendfile implements BrokerPeer {
  readonly name = 'bare sendfile'
  readonly settings = 'one connection, blocking calls'
  readonly tools: readonly string[] = ['gcc']
  readonly speaksKafka = false
  readonly canSync = false
  readonly isSyncedByServer = false
  #program = ''

  async install(workshop: Workshop): Promise<void> {
    const source = join(workshop.root, 'bench', 'compare-brokers', 'load', 'bare-sendfile.c')
    this.#program = join(workshop.scratch, 'bare-sendfile')
    const args = ['-O2', '-Wall', '-o', this.#program, source]
    await workshop.mustRun('gcc', args, { log: 'bare-sendfile.log' })
  }

  async start(workshop: Workshop, { directory, core }: StartOptions): Promise<RunningBroker> {
    const file = join(directory, 'records')
    writeFileSync(file, Buffer.alloc(bareAnswerBytes, 'x'))
    const args = [file, String(bareAnswerBytes), answerHeader().toString('hex')]
    const child = workshop.start(...onCore(core, this.#program, args), {
      limitMs: serverLimitMs,
      log: 'bare-sendfile.log',
    })
    const [, port] = await ready(child, /listening on (\d+)/)
    return new RunningBroker({
      peer: this,
      port: Number(port),
      directory,
      load: noLoad,
      children: [child],
    })
  }

  async installedBytes(): Promise<number> {
    return 0
  }
}

/** All of the answer but the records: topic `x`, partition 0 (see load/fetch-frames.ts). */
function answerHeader(): Buffer {
  const header = Buffer.alloc(53)
  header.writeInt32BE(header.length - 4 + bareAnswerBytes, 0)
  header.writeInt32BE(1, 4) // correlation
  header.writeInt32BE(1, 12) // topics
  header.writeInt16BE(1, 16)
  header.write('x', 18)
  header.writeInt32BE(1, 19) // partitions
  header.writeInt32BE(-1, 45) // aborted transactions: none
  header.writeInt32BE(bareAnswerBytes, 49)
  return header
}

const noLoad: LoadTool = {
  name: 'none',
  createTopic: refuse,
  deleteTopic: refuse,
  produce: refuse,
  consume: refuse,
}

async function refuse(): Promise<never> {
  throw new Error('bare sendfile is no broker')
}
