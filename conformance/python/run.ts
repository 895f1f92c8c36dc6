/**
 * Programs of ours that do with kafka-python and aiokafka what their users do, in a virtual
 * environment with the versions of requirements.txt.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseCheckLines } from '../support/check-lines.ts'
import type { Suite, TestResult } from '../support/suite.ts'

const programs = ['kafka_python.py', 'aiokafka_checks.py']

export const suite: Suite = {
  name: 'python',
  tools: ['python3'],
  fast: true,
  async run(context) {
    const requirements = join(context.source, 'requirements.txt')
    const venv = await context.installed(
      'venv',
      readFileSync(requirements, 'utf8'),
      async (cwd) => {
        const options = { cwd, log: 'install.log', limitMs: 300_000 }
        await context.mustRun('python3', ['-m', 'venv', '.'], options)
        const install = ['install', '--no-deps', '--quiet', '-r', requirements]
        await context.mustRun(join(cwd, 'bin', 'pip'), install, options)
      },
    )
    const server = await context.server()
    const results: TestResult[] = []
    for (const program of programs) {
      const path = join(context.source, program)
      const run = await context.run(join(venv, 'bin', 'python'), ['-B', path, server.address], {
        limitMs: 600_000,
        log: `${program}.log`,
      })
      results.push(...parseCheckLines(run))
    }
    return results
  },
}
