/**
 * Apache Kafka's own command-line tools, in sessions whose output is compared with what the same
 * session printed against a real Kafka of the newest version: expected/<session>.txt, and where this
 * server answers otherwise, with what it answers and why, expected/<session>.differences.txt.
 *
 *     npm run conformance -- kafka-tools [-- [--update] [session]]
 *
 * A session begins with an empty broker. With --update what is printed is written: into the first
 * file with --server, which should be a Kafka then, else into the second, where a new difference
 * waits for its reason.
 */
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newestKafka } from '../../peers/maven-jars.ts'
import { classPathOf, javaTools, runSession, type StepResult } from '../support/java-session.ts'
import type { ServerUnderTest } from '../support/server-under-test.ts'
import type { Suite, TestResult } from '../support/suite.ts'
import type { SuiteContext } from '../support/suite-context.ts'
import { currentSession } from './session-current.ts'
import { olderSession } from './session-older.ts'
import { brokerAddress, filesFolder, type Step } from './step.ts'
import {
  firstDifference,
  formatTranscript,
  parseTranscript,
  type Section,
  sectionBody,
  type Transcript,
  withReasons,
} from './transcript.ts'

type Session = { readonly name: string; readonly version: string; readonly steps: readonly Step[] }

const sessions: readonly Session[] = [
  { name: 'current', version: newestKafka, steps: currentSession },
  { name: 'older', version: '3.9.1', steps: olderSession },
]

export const suite: Suite = {
  name: 'kafka-tools',
  tools: javaTools,
  fast: true,
  async run(context) {
    const [named] = context.extra.filter((arg) => arg !== '--update')
    const chosen = sessions.filter(({ name }) => named === undefined || name === named)
    if (chosen.length === 0) throw new Error(`no session ${named}`)
    cpSync(join(context.source, 'files'), context.scratch, { recursive: true })
    for (const { version } of chosen) await classPathOf(context, version)
    if (context.against === undefined) {
      return (await Promise.all(chosen.map((session) => runOne(context, session)))).flat()
    }
    const results: TestResult[] = []
    for (const session of chosen) results.push(...(await runOne(context, session)))
    return results
  },
}

async function runOne(context: SuiteContext, session: Session): Promise<TestResult[]> {
  const server = await context.server()
  const filled = session.steps.map((step) => {
    return { ...step, args: step.args.map((arg) => fill(arg, context, server)) }
  })
  const results = await runSession(context, { ...session, steps: filled })
  const varying = { address: server.address, files: context.scratch }
  const bodies = new Map<string, string>()
  const steps = session.steps.filter(({ isBackground }) => isBackground !== true)
  for (const [index, step] of steps.entries()) {
    bodies.set(step.name, sectionBody(step, results[index] as StepResult, varying))
  }
  const folder = join(context.source, 'expected')
  const kafkaPath = join(folder, `${session.name}.txt`)
  const differencesPath = join(folder, `${session.name}.differences.txt`)
  if (context.extra.includes('--update') && context.against !== undefined) {
    const sections = [...bodies].map(([name, body]) => [name, { body }] as const)
    writeFileSync(kafkaPath, formatTranscript(new Map(sections)))
  }
  const kafka = read(kafkaPath)
  let known = context.against === undefined ? read(differencesPath) : new Map<string, Section>()
  if (context.extra.includes('--update') && context.against === undefined) {
    known = withReasons(differences(bodies, kafka), known)
    if (known.size > 0) writeFileSync(differencesPath, formatTranscript(known))
    else rmSync(differencesPath, { force: true })
  }
  const judged = [...bodies].map(([name, body]) =>
    judge(`${session.name}: ${name}`, body, kafka.get(name), known.get(name)),
  )
  const gone = new Set([...kafka.keys(), ...known.keys()].filter((name) => !bodies.has(name)))
  const why = 'expected/ has a section for it, but there is no such step'
  return [...judged, ...[...gone].map((name) => failed(`${session.name}: ${name}`, why))]
}

function fill(arg: string, context: SuiteContext, server: ServerUnderTest): string {
  return arg.replaceAll(brokerAddress, server.address).replaceAll(filesFolder, context.scratch)
}

function judge(
  name: string,
  body: string,
  kafka: Section | undefined,
  known: Section | undefined,
): TestResult {
  if (kafka === undefined) return failed(name, 'Kafka was not asked: no section in expected/')
  if (known === undefined) {
    if (body === kafka.body) return { name, outcome: 'passed' }
    return failed(name, firstDifference(kafka.body, body))
  }
  if (body === kafka.body) return failed(name, 'it is as Kafka has it: take the difference out')
  if (known.reason === undefined) return failed(name, 'the difference has no reason')
  if (body === known.body) return { name, outcome: 'passed' }
  return failed(name, `of the known difference ${firstDifference(known.body, body)}`)
}

function failed(name: string, detail: string): TestResult {
  return { name, outcome: 'failed', detail }
}

/** The sections that are not as Kafka's. */
function differences(bodies: ReadonlyMap<string, string>, kafka: Transcript): Transcript {
  const differing = [...bodies].filter(([name, body]) => body !== kafka.get(name)?.body)
  return new Map(differing.map(([name, body]) => [name, { body }]))
}

function read(path: string): Transcript {
  return existsSync(path) ? parseTranscript(readFileSync(path, 'utf8')) : new Map()
}
