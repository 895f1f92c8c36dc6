#!/usr/bin/env node
/**
 * The `stratalog` command: finds the subcommand, and turns what it throws into an exit code.
 *
 * | code | meaning                                                     |
 * | ---- | ----------------------------------------------------------- |
 * | 0    | done                                                        |
 * | 1    | failed: the message on stderr says what and where           |
 * | 2    | called wrongly: unknown command, option or value            |
 */
import { createRequire } from 'node:module'
import { LogError } from '../base/errors.ts'
import { UsageError } from './arguments.ts'

type Command = {
  readonly summary: string
  load(): Promise<{ help: string; run(args: readonly string[]): Promise<number> }>
}

// Loaded on use: `serve` must not wait for what only `dump` needs.
const commands: Readonly<Record<string, Command>> = {
  serve: {
    summary: 'run the log server for Kafka clients',
    load: () => import('./commands/serve.ts'),
  },
  dump: {
    summary: 'print the batches or records of a log file or directory',
    load: () => import('./commands/dump.ts'),
  },
  topics: {
    summary: 'list the topics of a data directory',
    load: () => import('./commands/topics.ts'),
  },
  verify: {
    summary: 'read a whole data directory and say what is damaged',
    load: () => import('./commands/verify.ts'),
  },
  repair: {
    summary: 'take damage out of a data directory',
    load: () => import('./commands/repair.ts'),
  },
}

// A reader that has seen enough (`dump … | head`) closes the pipe: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

process.exitCode = await main(process.argv.slice(2))

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv
  try {
    if (name === '--version' || name === '-v') return print(version())
    if (name === undefined) throw new UsageError('no command given')
    if (name === '--help' || name === '-h' || name === 'help') return await help(rest[0])
    const command = find(name)
    const { run, help: text } = await command.load()
    if (rest.includes('--help') || rest.includes('-h')) return print(text)
    return await run(rest)
  } catch (error) {
    return report(error)
  }
}

function find(name: string): Command {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command !== undefined) return command
  const known = Object.keys(commands).join(', ')
  throw new UsageError(`unknown command ${JSON.stringify(name)}: expected one of ${known}`)
}

async function help(name: string | undefined): Promise<number> {
  if (name !== undefined) return print((await find(name).load()).help)
  const lines = Object.entries(commands).map(([key, { summary }]) => `  ${key.padEnd(8)}${summary}`)
  return print(`stratalog ${version()}: a durable segmented commit log, and a server for it

Usage: stratalog <command> [options]

Commands:
${lines.join('\n')}

  stratalog <command> --help   options of one command
  stratalog --version          print the version

Exit codes: 0 done, 1 failed, 2 called wrongly.`)
}

function report(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`stratalog: ${error.message}\nTry: stratalog --help\n`)
    return 2
  }
  if (error instanceof LogError) {
    process.stderr.write(`stratalog: ${error.message} [${error.code}]\n`)
    return error.code === 'ERR_OPTION_INVALID' ? 2 : 1
  }
  throw error
}

function version(): string {
  return (createRequire(import.meta.url)('../../package.json') as { version: string }).version
}

function print(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}
