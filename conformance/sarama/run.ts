/**
 * A program of ours that does with IBM/sarama what its users do, at several of the protocol levels
 * it can be told to speak. Sarama's own functional tests want several brokers and a proxy between.
 */
import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseCheckLines } from '../support/check-lines.ts'
import type { Suite } from '../support/suite.ts'

/** What sarama speaks unless it is told otherwise; all that the fast form tries. */
const defaultLevel = '2.8.0'

export const suite: Suite = {
  name: 'sarama',
  tools: ['go'],
  fast: true,
  async run(context) {
    const files = readdirSync(context.source).filter((name) => /\.(go|mod|sum)$/.test(name))
    const version = files.map((name) => readFileSync(join(context.source, name), 'utf8')).join('')
    const program = await context.installed('program', version, async (folder) => {
      for (const name of files) cpSync(join(context.source, name), join(folder, name))
      const options = { cwd: folder, log: 'install.log', limitMs: 300_000 }
      await context.mustRun('go', ['build', '-o', 'checks', '.'], options)
    })
    const server = await context.server()
    const levels = context.isFast && context.extra.length === 0 ? [defaultLevel] : context.extra
    const run = await context.run(join(program, 'checks'), [server.address, ...levels], {
      limitMs: 600_000,
      log: 'checks.log',
    })
    return parseCheckLines(run)
  },
}
