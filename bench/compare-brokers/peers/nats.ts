/** NATS with JetStream, server and tool built from their Go modules. */
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
  stopGraceMs,
} from '../broker-peer.ts'
import { NatsLoad } from '../load/nats-load.ts'
import { bytesBelow } from './stratalog.ts'

const server = 'github.com/nats-io/nats-server/v2@v2.12.1'
const tool = 'github.com/nats-io/natscli/nats@v0.3.0'
/** The tool has several hundred packages. */
const installLimitMs = 1_200_000

export class NatsPeer implements BrokerPeer {
  readonly name = 'nats'
  readonly settings = 'JetStream, one file stream; synced class: sync_interval always'
  readonly tools: readonly string[] = ['go']
  readonly speaksKafka = false
  readonly canSync = true
  readonly isSyncedByServer = true
  #folder = ''

  async install(workshop: Workshop): Promise<void> {
    this.#folder = await workshop.installed('nats', `${server} ${tool}`, async (folder) => {
      const options = { env: { GOBIN: folder }, limitMs: installLimitMs, log: 'nats-install.log' }
      for (const module of [server, tool]) {
        await workshop.mustRun('go', ['install', '-p', '2', module], options)
      }
    })
  }

  async start(workshop: Workshop, options: StartOptions): Promise<RunningBroker> {
    const { directory, core, durability, port } = options
    const config = join(directory, 'nats.conf')
    const sync = durability === 'synced' ? ', sync_interval: always' : ''
    const store = `store_dir: ${JSON.stringify(join(directory, 'data'))}, max_file_store: 64GB`
    writeFileSync(config, `listen: 127.0.0.1:${port}\njetstream { ${store}${sync} }\n`)
    // It logs to the standard error.
    const command = 'exec "$0" --config "$1" 2>&1'
    const args = ['-c', command, join(this.#folder, 'nats-server'), config]
    const child = workshop.start(...onCore(core, 'sh', args), {
      limitMs: serverLimitMs,
      graceMs: stopGraceMs,
      log: 'nats.log',
    })
    await ready(child, /Server is ready/)
    const load = new NatsLoad(workshop, join(this.#folder, 'nats'), port)
    return new RunningBroker({ peer: this, port, directory, load, children: [child] })
  }

  async installedBytes(): Promise<number> {
    return bytesBelow(join(this.#folder, 'nats-server'))
  }
}
