/** `rdkafka_performance`, built from the sources of librdkafka that its binding for Node ships. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Workshop } from '../../../peers/workshop.ts'

export const rdkafkaTools: readonly string[] = ['npm', 'make', 'gcc', 'g++']

const packageName = 'node-rdkafka'
const version = '3.6.1' // librdkafka 2.12.0
const limitMs = 900_000
const log = 'rdkafka-build.log'

/** @returns the path of the program. @throws NotRunError when it cannot be built. */
export async function rdkafkaPerformance(workshop: Workshop): Promise<string> {
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
  return join(sourcesIn(folder), 'examples', 'rdkafka_performance')
}

function sourcesIn(folder: string): string {
  return join(folder, 'node_modules', packageName, 'deps', 'librdkafka')
}
