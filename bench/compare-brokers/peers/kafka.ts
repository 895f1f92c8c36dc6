/** Apache Kafka, one node in KRaft mode, from the jars on Maven Central. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { kafkaJars } from '../../../peers/maven-jars.ts'
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
import { type RdkafkaPrograms, rdkafkaPrograms, rdkafkaTools } from '../load/rdkafka-build.ts'
import { RdkafkaLoad } from '../load/rdkafka-load.ts'
import { bytesBelow } from './stratalog.ts'

/** Any 16 bytes in base64: one directory belongs to one cluster. */
const clusterId = 'c3RyYXRhbG9nLWJlbmNoMQ'

/**
 * What Kafka's own start script gives its JVM. The number of processors is stated because a JVM that
 * is pinned to one core would otherwise choose another collector.
 */
const jvmFlags: readonly string[] = [
  ...['-server', '-Xms1g', '-Xmx1g', '-XX:+UseG1GC', '-XX:ActiveProcessorCount=2'],
  ...['-XX:MaxGCPauseMillis=20', '-XX:InitiatingHeapOccupancyPercent=35'],
  ...['-XX:+ExplicitGCInvokesConcurrent', '-XX:MaxInlineLevel=15', '-Djava.awt.headless=true'],
  '-Dorg.slf4j.simpleLogger.logFile=System.out',
]

export class KafkaPeer implements BrokerPeer {
  readonly name = 'kafka'
  readonly settings =
    'one node, 1 GiB of heap and the JVM flags of its own script, replication factor 1 of its internal topics; synced class: flush.messages=1'
  readonly tools: readonly string[] = ['java', 'mvn', ...rdkafkaTools]
  readonly speaksKafka = true
  readonly canSync = true
  readonly isSyncedByServer = false
  #programs: RdkafkaPrograms | undefined
  #jars = ''

  async install(workshop: Workshop): Promise<void> {
    this.#programs = await rdkafkaPrograms(workshop)
    this.#jars = await kafkaJars(workshop)
  }

  async start(workshop: Workshop, options: StartOptions): Promise<RunningBroker> {
    const { directory, core, port } = options
    const config = await this.#configure(directory, port)
    if (!existsSync(dataIn(directory))) await this.prepareDirectory(workshop, options)
    const args = [...jvmFlags, '-cp', join(this.#jars, '*'), 'kafka.Kafka', config]
    const child = workshop.start(...onCore(core, 'java', args), {
      limitMs: serverLimitMs,
      graceMs: stopGraceMs,
      log: 'kafka.log',
    })
    await ready(child, /Kafka Server started/)
    const load = new RdkafkaLoad(workshop, this.#programs!, `127.0.0.1:${port}`)
    return new RunningBroker({ peer: this, port, directory, load, children: [child] })
  }

  /** A directory is formatted by a tool, in a JVM of its own. */
  async prepareDirectory(
    workshop: Workshop,
    { directory, port }: { directory: string; port: number },
  ): Promise<void> {
    const config = await this.#configure(directory, port)
    const format = ['format', '--standalone', '-t', clusterId, '-c', config]
    const args = ['-cp', join(this.#jars, '*'), 'kafka.tools.StorageTool', ...format]
    await workshop.mustRun('java', args, { log: 'kafka-format.log' })
  }

  /** The folder of the broker's jars and of its tools'. */
  get jars(): string {
    return this.#jars
  }

  /** @returns the path of its configuration. */
  async #configure(directory: string, port: number): Promise<string> {
    const config = join(directory, 'server.properties')
    const written = existsSync(config) ? readFileSync(config, 'utf8') : ''
    // The directory knows its controller by this port.
    const [, known] = /CONTROLLER:\/\/127\.0\.0\.1:(\d+)/.exec(written) ?? []
    const controllerPort = known === undefined ? await freePort() : Number(known)
    writeFileSync(config, properties(dataIn(directory), port, controllerPort))
    return config
  }

  async installedBytes(): Promise<number> {
    return bytesBelow(this.#jars)
  }
}

function dataIn(directory: string): string {
  return join(directory, 'data')
}

/** Whatever is not here has its default, the numbers of threads among them. */
function properties(data: string, port: number, controllerPort: number): string {
  const broker = `PLAINTEXT://127.0.0.1:${port}`
  const controller = `CONTROLLER://127.0.0.1:${controllerPort}`
  return `process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:${controllerPort}
listeners=${broker},${controller}
advertised.listeners=${broker},${controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=${data}
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
`
}
