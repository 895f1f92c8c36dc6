/**
 * A program of ours (*.mjs) that does with @platformatic/kafka what its users do. It asks for
 * newer versions of most requests than kafkajs, and refers to topics by their ids.
 *
 * The client wants a newer Node than this project; where the running one is older, npm brings one.
 */
import { copyFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseCheckLines } from '../support/check-lines.ts'
import type { Suite } from '../support/suite.ts'
import type { SuiteContext } from '../support/suite-context.ts'

const client = '@platformatic/kafka@2.12.1'
/** Wanted by the client; the first with zstd is 22.15. */
const minNode = { major: 22, minor: 22 }
const newerNode = 'node@22.23.3'

const program = 'checks.mjs'
const installLimitMs = 300_000
const limitMs = 300_000

export const suite: Suite = {
  name: 'platformatic',
  tools: ['npm'],
  fast: true,
  async run(context) {
    const packages = isNodeNewEnough(process.versions.node) ? [client] : [client, newerNode]
    const folder = await context.installed('client', packages.join(' '), (cwd) =>
      install(context, cwd, packages),
    )
    // Imports are looked up from where the program lies.
    for (const name of readdirSync(context.source).filter((name) => name.endsWith('.mjs'))) {
      copyFileSync(join(context.source, name), join(folder, name))
    }
    const server = await context.server()
    const node = packages.includes(newerNode) ? installedNode(folder) : process.execPath
    const run = await context.run(node, [join(folder, program), server.address], {
      limitMs,
      log: 'checks.log',
    })
    return parseCheckLines(run)
  },
}

async function install(
  context: SuiteContext,
  cwd: string,
  packages: readonly string[],
): Promise<void> {
  writeFileSync(join(cwd, 'package.json'), '{ "private": true }\n')
  const options = { cwd, limitMs: installLimitMs, log: 'install.log' }
  await context.mustRun('npm', ['install', '--no-audit', '--no-fund', ...packages], options)
  if (packages.includes(newerNode)) await context.mustRun(installedNode(cwd), ['-v'], options)
}

function installedNode(folder: string): string {
  return join(folder, 'node_modules', 'node', 'bin', 'node')
}

function isNodeNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > minNode.major || (major === minNode.major && minor >= minNode.minor)
}
