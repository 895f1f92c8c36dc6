/**
 * `npm run crash:kill`: kill -9 at random. A server under load from kafkajs, kcat and raw
 * connections, and beside it an embedded store at work, each killed and started again.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type CrashRun, crashMain } from './support/crash-run.ts'
import { killEmbedded } from './support/embedded-cycles.ts'
import { killServer } from './support/server-cycles.ts'

const help = `Usage: npm run crash:kill -- [options]

Kills (SIGKILL) a server under load and an embedded store at work, starts them again and checks that
nothing acknowledged at os or disk is lost, that each log is a prefix of what was sent, and that an
idempotent producer's records are there once.

  --cycles <n>    kills of each                                (200)
  --minutes <n>   ends after this time; without --cycles only the time counts
  --seed <n>      makes the same choices again; when things happen is still the machine's affair
  --only <part>   server or embedded

Exit codes: 0 nothing lost, 1 something was, 2 usage, 3 not run.`

async function run(crash: CrashRun): Promise<void> {
  const folder = join('.cache', 'crash-data', `kill-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  crash.keepOnFault(folder)
  const only = crash.choice('only')
  await Promise.all([
    only === 'embedded' ? undefined : killServer(crash, join(folder, 'server')),
    only === 'server' ? undefined : killEmbedded(crash, join(folder, 'embedded')),
  ])
}

await crashMain({
  name: 'crash:kill',
  help,
  defaultCycles: 200,
  choices: { only: ['server', 'embedded'] },
  run,
})
