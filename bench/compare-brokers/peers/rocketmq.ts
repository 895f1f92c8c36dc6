/** Apache RocketMQ, one name server and one broker, from the jars on Maven Central. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Child } from '../../../peers/child.ts'
import { mavenJars } from '../../../peers/maven-jars.ts'
import type { Workshop } from '../../../peers/workshop.ts'
import {
  type BrokerPeer,
  freePort,
  isFree,
  onCore,
  RunningBroker,
  ready,
  type StartOptions,
  serverLimitMs,
  stopGraceMs,
} from '../broker-peer.ts'
import { compiledJava, JavaLoad, javaClientHeap, javaLoadSources } from '../load/java-load.ts'
import { bytesBelow } from './stratalog.ts'

const version = '5.3.3'

/** Where RocketMQ looks for the class that replicates. */
const replicationService = join('META-INF', 'service', 'org.apache.rocketmq.store.ha.HAService')

/** A JVM that is pinned to one core would otherwise choose another collector. */
const jvmFlags: readonly string[] = ['-server', '-XX:+UseG1GC', '-XX:ActiveProcessorCount=2']
const nameServerFlags: readonly string[] = [...jvmFlags, '-Xms128m', '-Xmx128m']
const brokerFlags: readonly string[] = [
  ...jvmFlags,
  '-Xms1g',
  '-Xmx1g',
  '-XX:MaxDirectMemorySize=1g',
]
const nameServerMain = 'org.apache.rocketmq.namesrv.NamesrvStartup'
const brokerMain = 'org.apache.rocketmq.broker.BrokerStartup'

export class RocketmqPeer implements BrokerPeer {
  readonly name = 'rocketmq'
  readonly settings =
    `one name server (128 MiB of heap) and one broker (1 GiB of heap, 1 GiB of direct memory, no replication); page cache class: ASYNC_FLUSH, synced class: SYNC_FLUSH; ${javaClientHeap}`
  readonly tools: readonly string[] = ['java', 'javac', 'mvn']
  readonly speaksKafka = false
  readonly canSync = true
  readonly isSyncedByServer = true
  #jars = ''
  #clientPath = ''
  #serverPath = ''

  async install(workshop: Workshop): Promise<void> {
    this.#jars = await mavenJars(workshop, {
      name: `rocketmq-${version}`,
      pom: 'rocketmq-pom.xml',
      properties: { 'rocketmq.version': version },
    })
    const jars = this.#jars
    this.#clientPath = await compiledJava(workshop, {
      name: 'rocketmq-client',
      sources: javaLoadSources('RocketmqProgram'),
      jars,
    })
    this.#serverPath = await compiledJava(workshop, {
      name: 'rocketmq-server',
      sources: [join('bench', 'compare-brokers', 'peers', 'NoReplication.java')],
      jars,
      files: { [replicationService]: 'NoReplication\n' },
    })
  }

  async start(workshop: Workshop, options: StartOptions): Promise<RunningBroker> {
    const { directory, core, durability, port } = options
    const start = (args: readonly string[]): Child => {
      // Its logs are below what it takes for the home of the user.
      const java = [`-Duser.home=${directory}`, '-cp', this.#serverPath, ...args]
      return workshop.start(...onCore(core, 'java', java), {
        env: { ROCKETMQ_HOME: directory },
        limitMs: serverLimitMs,
        graceMs: stopGraceMs,
        log: 'rocketmq.log',
      })
    }
    const nameServerConfig = join(directory, 'namesrv.properties')
    writeFileSync(nameServerConfig, `bindAddress=127.0.0.1\nlistenPort=${port}\n`)
    const nameServer = start([...nameServerFlags, nameServerMain, '-c', nameServerConfig])
    await ready(nameServer, /Name Server boot success/)
    const brokerConfig = join(directory, 'broker.properties')
    const flush = durability === 'synced' ? 'SYNC_FLUSH' : 'ASYNC_FLUSH'
    writeFileSync(brokerConfig, properties(directory, port, await freeBrokerPort(), flush))
    const broker = start([...brokerFlags, brokerMain, '-c', brokerConfig])
    await ready(broker, /boot success/)
    const program = { main: 'RocketmqProgram', classPath: this.#clientPath }
    const load = new JavaLoad(workshop, program, `127.0.0.1:${port}`)
    return new RunningBroker({ peer: this, port, directory, load, children: [broker, nameServer] })
  }

  /** The server's jars and the client's, which are the same. */
  async installedBytes(): Promise<number> {
    return bytesBelow(this.#jars)
  }
}

/** A port of the broker, which listens two below it as well. */
async function freeBrokerPort(): Promise<number> {
  for (;;) {
    const port = await freePort()
    if (await isFree(port - 2)) return port
  }
}

/** Whatever is not here has its default. */
function properties(
  directory: string,
  nameServerPort: number,
  port: number,
  flush: 'SYNC_FLUSH' | 'ASYNC_FLUSH',
): string {
  return `brokerClusterName=bench
brokerName=bench
brokerId=0
brokerIP1=127.0.0.1
brokerIP2=127.0.0.1
bindAddress=127.0.0.1
listenPort=${port}
namesrvAddr=127.0.0.1:${nameServerPort}
storePathRootDir=${join(directory, 'store')}
storePathCommitLog=${join(directory, 'store', 'commitlog')}
flushDiskType=${flush}
`
}
