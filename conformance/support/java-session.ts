/**
 * Main methods of Kafka's tools, called one after the other in one JVM (Session.java), with the jars
 * of one version.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { kafkaJars } from '../../peers/maven-jars.ts'
import type { SuiteContext } from './suite-context.ts'

export type JavaStep = {
  readonly name: string
  /** The class whose main method is called; `''` for a step that waits. */
  readonly main: string
  readonly args: readonly string[]
  /** Its standard input. */
  readonly input?: string
  /** It is repeated until its output matches. */
  readonly until?: RegExp
  /** It goes on while the next steps run; a step that waits for it gives its result. */
  readonly isBackground?: boolean
  /** The name of a step in the background, the result of which is this step's. */
  readonly wait?: string
}

export type StepResult = {
  readonly name: string
  readonly code: number
  readonly ms: number
  readonly stdout: string
  readonly stderr: string
}

/** What a suite with sessions needs of a machine. */
export const javaTools: readonly string[] = ['java', 'javac', 'mvn']

const sessionLimitMs = 600_000
const stepLimitMs = 60_000

/**
 * The class path of Session.java and of Kafka's tools and broker at `version`, which Maven installs
 * once for all suites.
 */
export async function classPathOf(context: SuiteContext, version: string): Promise<string> {
  const source = join(context.root, 'conformance', 'support', 'Session.java')
  const jars = await kafkaJars(context, version)
  const classes = await context.installed(
    `session-${version}`,
    `${version}\n${readFileSync(source, 'utf8')}`,
    async (folder) => {
      const args = ['-d', folder, '-cp', join(jars, '*'), source]
      await context.mustRun('javac', args, { log: 'javac.log' })
    },
    context.sharedCache,
  )
  return `${classes}:${join(jars, '*')}`
}

/**
 * @param name of the session, for its logs.
 * @returns the results of all steps but those in the background, in their order.
 * @throws when the JVM ends before the last of them.
 */
export async function runSession(
  context: SuiteContext,
  { name, version, steps }: { name: string; version: string; steps: readonly JavaStep[] },
): Promise<StepResult[]> {
  const classPath = await classPathOf(context, version)
  const given = steps.map((step) => ({
    ...step,
    until: step.until?.source ?? '',
    limitMs: stepLimitMs,
  }))
  const flags = [
    '-Xmx512m',
    '-XX:TieredStopAtLevel=1',
    // Session.java runs the shutdown hooks of a tool when that ends, which only the JVM knows.
    '--add-opens=java.base/java.lang=ALL-UNNAMED',
    '-Dorg.slf4j.simpleLogger.showDateTime=true',
    `-Dorg.slf4j.simpleLogger.logFile=${join(context.logs, `${name}-client.log`)}`,
  ]
  const { code, stdout } = await context.run('java', [...flags, '-cp', classPath, 'Session'], {
    input: JSON.stringify(given),
    limitMs: sessionLimitMs,
    log: `${name}.log`,
  })
  const results = stdout.split('\n').filter((line) => line !== '')
  const expected = steps.filter(({ isBackground }) => isBackground !== true)
  if (code !== 0 || results.length !== expected.length) {
    const last = expected[results.length]?.name
    throw new Error(`the session ended with ${code} in the step ${JSON.stringify(last)}`)
  }
  return results.map((line) => JSON.parse(line) as StepResult)
}
