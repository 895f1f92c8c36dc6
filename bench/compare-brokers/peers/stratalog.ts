/** Our own server: the build in dist/, as `stratalog serve`. */
import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, readdirSync } from 'node:fs'
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
import type { LoadTool } from '../load/load-tool.ts'
import { type RdkafkaPrograms, rdkafkaPrograms, rdkafkaTools } from '../load/rdkafka-build.ts'
import { RdkafkaLoad } from '../load/rdkafka-load.ts'

export type StratalogOptions = {
  /** Modules to load before the server's own, such as a probe. */
  readonly preloaded?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Instead of rdkafka_performance, which then need not be installed. */
  readonly load?: (address: string) => LoadTool
}

export class StratalogPeer implements BrokerPeer {
  readonly name = 'stratalog'
  readonly settings = 'defaults: acks=1 is answered from the page cache, acks=all from the disk'
  readonly tools = rdkafkaTools
  readonly speaksKafka = true
  readonly canSync = true
  readonly isSyncedByServer = false
  readonly #given: StratalogOptions
  #programs: RdkafkaPrograms | undefined

  constructor(given: StratalogOptions = {}) {
    this.#given = given
  }

  async install(workshop: Workshop): Promise<void> {
    this.#programs = await rdkafkaPrograms(workshop)
  }

  async start(workshop: Workshop, options: StartOptions): Promise<RunningBroker> {
    const { directory, core, port } = options
    const main = join(workshop.root, 'dist', 'cli', 'main.js')
    const { preloaded = [], env = {}, load } = this.#given
    const args = preloaded.map((path) => `--import=${path}`)
    args.push(main, 'serve', '--data', directory, '--port', String(port), '--log-level', 'warn')
    const child = workshop.start(...onCore(core, process.execPath, args), {
      env,
      limitMs: serverLimitMs,
      graceMs: stopGraceMs,
      log: 'stratalog.log',
    })
    await ready(child, /listening on/)
    const address = `127.0.0.1:${port}`
    const tool = load?.(address) ?? new RdkafkaLoad(workshop, this.#programs!, address)
    return new RunningBroker({ peer: this, port, directory, load: tool, children: [child] })
  }

  /** The build, the addon, and the packages it depends on. */
  async installedBytes({ root }: Workshop): Promise<number> {
    const list = ['ls', '--omit=dev', '--all', '--parseable']
    const { stdout } = spawnSync('npm', list, { cwd: root, encoding: 'utf8' })
    const packages = stdout.split('\n').filter((path) => path !== '' && path !== root)
    const own = ['dist', join('build', 'Release', 'stratalog.node')]
    return [...packages, ...own.map((path) => join(root, path))].map(bytesBelow).reduce(add, 0)
  }

  /** @throws where there are prebuilds: they would be in the package. */
  async packedBytes({ root }: Workshop): Promise<number> {
    if (existsSync(join(root, 'prebuilds'))) throw new Error('there are prebuilds in the package')
    const pack = ['pack', '--dry-run', '--ignore-scripts', '--json']
    const { stdout } = spawnSync('npm', pack, { cwd: root, encoding: 'utf8' })
    const [{ size }] = JSON.parse(stdout) as [{ size: number }]
    return size
  }
}

/** Of all files below a folder, or of a file. */
export function bytesBelow(path: string): number {
  const status = lstatSync(path)
  if (!status.isDirectory()) return status.size
  return readdirSync(path)
    .map((name) => bytesBelow(join(path, name)))
    .reduce(add, 0)
}

function add(one: number, other: number): number {
  return one + other
}
