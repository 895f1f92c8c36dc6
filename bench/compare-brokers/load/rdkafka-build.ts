/**
 * `rdkafka_performance`, and a producer with a rate of our own (paced-producer.c), built from the
 * sources of librdkafka that its binding for Node ships.
 */
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Workshop } from '../../../peers/workshop.ts'

export const rdkafkaTools: readonly string[] = ['npm', 'make', 'gcc', 'g++']

const packageName = 'node-rdkafka'
const version = '3.6.1' // librdkafka 2.12.0
const limitMs = 900_000
const log = 'rdkafka-build.log'

export type RdkafkaPrograms = { readonly performance: string; readonly paced: string }

/** @returns the paths of the programs. @throws NotRunError when they cannot be built. */
export async function rdkafkaPrograms(workshop: Workshop): Promise<RdkafkaPrograms> {
  const folder = await workshop.installed('rdkafka', version, async (cwd) => {
    writeFileSync(join(cwd, 'package.json'), '{ "private": true }\n')
    const npm = ['install', '--ignore-scripts', '--no-audit', '--no-fund']
    const npmOptions = { cwd, limitMs, log }
    await workshop.mustRun('npm', [...npm, `${packageName}@${version}`], npmOptions)
    const options = { cwd: sourcesIn(cwd), limitMs, log }
    await workshop.mustRun('./configure', [], options)
    await workshop.mustRun('make', ['-j2', 'libs'], options)
    await workshop.mustRun('make', ['-C', 'examples', 'rdkafka_performance'], options)
  })
  const sources = sourcesIn(folder)
  const performance = join(sources, 'examples', 'rdkafka_performance')
  return { performance, paced: await pacedProducer(workshop, join(sources, 'src')) }
}

/** @param library the folder of librdkafka's header and archive. */
async function pacedProducer(workshop: Workshop, library: string): Promise<string> {
  const source = join(workshop.root, 'bench', 'compare-brokers', 'load', 'paced-producer.c')
  const made = `${version}\n${readFileSync(source, 'utf8')}`
  const folder = await workshop.installed('paced-producer', made, async (cwd) => {
    symlinkSync(library, join(cwd, 'librdkafka')) // As it is included once it is installed.
    const linked = ['-lm', '-lssl', '-lcrypto', '-lz', '-ldl', '-lpthread', '-lrt']
    const args = ['-O2', '-o', 'paced-producer', source, '-I', cwd]
    args.push(join(library, 'librdkafka.a'), ...linked)
    await workshop.mustRun('gcc', args, { cwd, log })
  })
  return join(folder, 'paced-producer')
}

function sourcesIn(folder: string): string {
  return join(folder, 'node_modules', packageName, 'deps', 'librdkafka')
}
