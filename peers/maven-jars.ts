/** Jars that Maven resolves from a pom, in one folder. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Workshop } from './workshop.ts'

export const newestKafka = '4.2.1'

const installLimitMs = 600_000

/**
 * @param name of the folder in the cache that all workshops share.
 * @param pom a file of peers/.
 * @param properties of the pom, such as a version.
 * @returns the folder of the jars.
 * @throws NotRunError when Maven fails.
 */
export function mavenJars(
  workshop: Workshop,
  { name, pom, properties }: { name: string; pom: string; properties: Record<string, string> },
): Promise<string> {
  const path = join(workshop.root, 'peers', pom)
  const given = Object.entries(properties).map(([key, value]) => `-D${key}=${value}`)
  const install = async (folder: string) => {
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime']
    const args = ['-q', '-B', '-f', path, ...given, `-DoutputDirectory=${folder}`, ...goal]
    await workshop.mustRun('mvn', args, { log: 'maven.log', limitMs: installLimitMs })
  }
  const version = `${given.join(' ')}\n${readFileSync(path, 'utf8')}`
  return workshop.installed(name, version, install, workshop.sharedCache)
}

/** Kafka's tools and its broker at `version`. */
export function kafkaJars(workshop: Workshop, version: string = newestKafka): Promise<string> {
  const properties = { 'kafka.version': version }
  return mavenJars(workshop, { name: `kafka-${version}`, pom: 'kafka-pom.xml', properties })
}
