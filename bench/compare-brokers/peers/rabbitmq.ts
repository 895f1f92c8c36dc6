/**
 * RabbitMQ with streams: the server of the machine, as a node of its own that knows no other and
 * runs as whoever runs the bench; its client from Maven Central.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { mavenJars } from '../../../peers/maven-jars.ts'
import { commandPath } from '../../../peers/toolchain.ts'
import type { Workshop } from '../../../peers/workshop.ts'
import {
  type BrokerPeer,
  freePort,
  onCore,
  RunningBroker,
  ready,
  type StartOptions,
  serverLimitMs,
  stopGraceMs,
} from '../broker-peer.ts'
import { compiledJava, JavaLoad, javaClientHeap, javaLoadSources } from '../load/java-load.ts'
import { bytesBelow } from './stratalog.ts'

const clientVersion = '0.23.0'
const command = 'rabbitmq-server'

export class RabbitmqPeer implements BrokerPeer {
  readonly name = 'rabbitmq'
  readonly settings =
    `the machine's own package, a topic is one stream; it is confirmed when it is written, never synced; ${javaClientHeap}`
  readonly tools: readonly string[] = [command, 'epmd', 'java', 'javac', 'mvn']
  readonly speaksKafka = false
  /** There is no such setting of a stream. */
  readonly canSync = false
  readonly isSyncedByServer = false
  #clientPath = ''

  async install(workshop: Workshop): Promise<void> {
    const jars = await mavenJars(workshop, {
      name: `rabbitmq-stream-${clientVersion}`,
      pom: 'rabbitmq-pom.xml',
      properties: { 'stream-client.version': clientVersion },
    })
    const sources = javaLoadSources('RabbitmqProgram')
    this.#clientPath = await compiledJava(workshop, { name: 'rabbitmq-client', sources, jars })
  }

  async start(workshop: Workshop, options: StartOptions): Promise<RunningBroker> {
    const { directory, core, port } = options
    // The daemon of names would outlive the node that starts it: here it is a child like others.
    const namePort = await freePort()
    const limits = { limitMs: serverLimitMs, graceMs: stopGraceMs, log: 'rabbitmq.log' }
    const nameArgs = ['-address', '127.0.0.1', '-port', String(namePort)]
    const names = workshop.start(...onCore(core, 'epmd', nameArgs), limits)
    const env = environment(directory, port, await freePort(), namePort)
    writeFileSync(env.RABBITMQ_CONFIG_FILE, configuration(port))
    writeFileSync(env.RABBITMQ_ENABLED_PLUGINS_FILE, '[rabbitmq_stream].\n')
    const server = workshop.start(...onCore(core, 'sh', [serverScript()]), { ...limits, env })
    await ready(server, /Server startup complete/)
    const program = { main: 'RabbitmqProgram', classPath: this.#clientPath }
    const load = new JavaLoad(workshop, program, `127.0.0.1:${port}`)
    return new RunningBroker({ peer: this, port, directory, load, children: [server, names] })
  }

  /** Without Erlang, which is to it what the JVM is to others. */
  async installedBytes(): Promise<number> {
    return bytesBelow(dirname(dirname(serverScript())))
  }
}

/**
 * The command in the path is, in Debian's package, one for the account of the service. What it runs
 * stands below the same prefix.
 */
function serverScript(): string {
  const path = commandPath(command)
  if (path === undefined) throw new Error(`no ${command}`)
  const script = join(dirname(path), '..', 'lib', 'rabbitmq', 'bin', command)
  return existsSync(script) ? script : path
}

/** All that is the node's own is below the directory, the secret it shares with nobody too. */
function environment(directory: string, port: number, nodePort: number, namePort: number) {
  return {
    HOME: directory,
    RABBITMQ_NODENAME: `bench${port}@localhost`,
    RABBITMQ_MNESIA_BASE: join(directory, 'data'),
    RABBITMQ_LOG_BASE: join(directory, 'logs'),
    RABBITMQ_LOGS: '-',
    RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq.conf'),
    RABBITMQ_CONF_ENV_FILE: join(directory, 'rabbitmq-env.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'enabled_plugins'),
    RABBITMQ_DIST_PORT: String(nodePort),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: String(namePort),
  }
}

/** Whatever is not here has its default. */
function configuration(port: number): string {
  return `listeners.tcp = none
stream.listeners.tcp.1 = 127.0.0.1:${port}
stream.advertised_host = 127.0.0.1
stream.advertised_port = ${port}
`
}
