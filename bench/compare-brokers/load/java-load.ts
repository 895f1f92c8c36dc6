/** Load by a broker's own Java client: a program of load/java, in a JVM of its own for each call. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import type { Workshop } from '../../../peers/workshop.ts'
import { onCore } from '../broker-peer.ts'
import type { LoadResult, LoadTool, ProducePlan, TopicPlan } from './load-tool.ts'
import { takeLatencies } from './rdkafka-load.ts'

/** For `settings` of the peers. */
export const javaClientHeap = '1 GiB of heap for its client'

/** The number of processors is stated because a JVM that is pinned would choose another collector. */
const jvmFlags = ['-Xms1g', '-Xmx1g', '-XX:+UseG1GC', '-XX:ActiveProcessorCount=2']
const limitMs = 300_000

/** `main` is the name of a class of load/java, `classPath` where it and the client are. */
export type JavaProgram = { readonly main: string; readonly classPath: string }

export class JavaLoad implements LoadTool {
  readonly name: string
  readonly #workshop: Workshop
  readonly #program: JavaProgram
  readonly #address: string

  constructor(workshop: Workshop, program: JavaProgram, address: string) {
    this.name = program.main
    this.#workshop = workshop
    this.#program = program
    this.#address = address
  }

  /** Whether it syncs is a setting of the server. */
  async createTopic({ topic, partitions }: TopicPlan): Promise<void> {
    await this.#run(['create', topic, String(partitions)], undefined)
  }

  async deleteTopic(topic: string): Promise<void> {
    await this.#run(['delete', topic], undefined)
  }

  async produce(plan: ProducePlan): Promise<LoadResult> {
    const { topic, records, valueBytes, producers, isOneByOne, rate, core } = plan
    if (rate !== undefined) throw new Error(`${this.name} has no rate`)
    const hasLatencies = isOneByOne && producers === 1
    const latencies = join(this.#workshop.scratch, 'java-latencies')
    const numbers = [records, valueBytes, producers].map(String)
    const way = [isOneByOne ? 'each' : 'many', hasLatencies ? latencies : '-']
    const stdout = await this.#run(['produce', topic, ...numbers, ...way], core)
    const result = parseJavaProduced(stdout, records, valueBytes)
    return hasLatencies ? { ...result, latenciesMs: takeLatencies(latencies) } : result
  }

  async consume(): Promise<LoadResult> {
    throw new Error(`${this.name} has no consumer`)
  }

  async #run(args: readonly string[], core: number | undefined): Promise<string> {
    const { main, classPath } = this.#program
    // What the client logs is not for the home of whoever runs the bench.
    const flags = [...jvmFlags, `-Duser.home=${this.#workshop.scratch}`, '-cp', classPath]
    const [command, all] = onCore(core, 'java', [...flags, main, this.#address, ...args])
    const options = { limitMs, log: `${main}.log` }
    return (await this.#workshop.mustRun(command, all, options)).stdout
  }
}

export type JavaSources = {
  /** Of the folder in the cache. */
  readonly name: string
  /** Paths in the repository. */
  readonly sources: readonly string[]
  /** The folder of what they are compiled against. */
  readonly jars: string
  /** Text of files that stand beside the classes, by their paths there. */
  readonly files?: Readonly<Record<string, string>>
}

/** Of the program whose class has the name `main`. */
export function javaLoadSources(main: string): string[] {
  const folder = join('bench', 'compare-brokers', 'load', 'java')
  return ['LoadProgram', main].map((name) => join(folder, `${name}.java`))
}

/**
 * Compiles a program, once for each text of it, into a folder of the cache.
 *
 * @returns a class path of its classes and the jars.
 * @throws NotRunError when it does not compile.
 */
export async function compiledJava(workshop: Workshop, given: JavaSources): Promise<string> {
  const { name, jars, files = {} } = given
  const sources = given.sources.map((source) => join(workshop.root, source))
  const texts = sources.map((source) => readFileSync(source, 'utf8'))
  const version = [jars, ...texts, JSON.stringify(files)].join('\n')
  const classPath = join(jars, '*')
  const folder = await workshop.installed(name, version, async (target) => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(target, path)), { recursive: true })
      writeFileSync(join(target, path), text)
    }
    const args = ['-d', target, '-cp', classPath, ...sources]
    await workshop.mustRun('javac', args, { log: 'javac.log' })
  })
  return [folder, classPath].join(delimiter)
}

/** @throws when it did not say that all of them were produced. */
export function parseJavaProduced(stdout: string, wanted: number, valueBytes: number): LoadResult {
  const line = /^(\d+) records in (\d+) us, after (\d+) to warm up$/m
  const [, records, us, warmUpRecords] = line.exec(stdout)?.map(Number) ?? []
  if (records !== wanted) throw new Error(`${records ?? 0} of ${wanted} records were produced`)
  return { records, bytes: records * valueBytes, seconds: us! / 1e6, warmUpRecords: warmUpRecords! }
}
