/** What a suite is given: folders of its own, commands, servers, and how it was asked to run. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Child, type ChildOptions, type ChildResult } from './child.ts'
import { type Address, type ServerOptions, ServerUnderTest } from './server-under-test.ts'
import { NotRunError } from './suite.ts'

/** `log` names a file in the suite's folder of logs; the limit has a default. */
export type CommandOptions = Partial<Omit<ChildOptions, 'log'>> & { readonly log: string }

export type ContextOptions = {
  readonly root: string
  readonly suite: string
  /** Given after `--`, for the suite alone. */
  readonly extra: readonly string[]
  readonly isFast: boolean
  readonly against: Address | undefined
}

const defaultLimitMs = 120_000
/** Longer than any suite: a server ends when its suite does. */
const serverLimitMs = 6 * 3600_000

export class SuiteContext {
  readonly suite: string
  /** The repository. */
  readonly root: string
  /** The suite's own folder, for files it brings. */
  readonly source: string
  /** Kept from run to run, for what is installed; git ignores it. */
  readonly cache: string
  /** Emptied when a run begins. */
  readonly logs: string
  /** Emptied when a run begins, and removed after one in which all was as expected. */
  readonly scratch: string
  readonly extra: readonly string[]
  /** `--fast` was asked for: a suite with a shorter form takes that. */
  readonly isFast: boolean
  /** A broker that is running, to use in place of our server; expectations are not compared then. */
  readonly against: Address | undefined
  /** Told in the last column of the table. */
  readonly remarks: string[] = []
  readonly #servers: ServerUnderTest[] = []

  constructor({ root, suite, extra, isFast, against }: ContextOptions) {
    this.suite = suite
    this.root = root
    this.source = join(root, 'conformance', suite)
    this.cache = join(root, '.cache', 'conformance', suite)
    this.logs = join(this.cache, 'logs')
    this.scratch = join(this.cache, 'scratch')
    this.extra = extra
    this.isFast = isFast
    this.against = against
    for (const folder of [this.logs, this.scratch]) {
      rmSync(folder, { recursive: true, force: true })
      mkdirSync(folder, { recursive: true })
    }
  }

  say(line: string): void {
    process.stdout.write(`${this.suite}: ${line}\n`)
  }

  /** Runs a command to its end. Its exit code is the caller's to judge. */
  run(command: string, args: readonly string[], options: CommandOptions): Promise<ChildResult> {
    return this.start(command, args, options).ended
  }

  /** Starts a command that goes on until it is signalled or its limit is over. */
  start(command: string, args: readonly string[], options: CommandOptions): Child {
    return new Child(command, args, {
      cwd: this.scratch,
      limitMs: defaultLimitMs,
      ...options,
      log: join(this.logs, options.log),
    })
  }

  /**
   * A folder of the cache that `fill` has filled, once for each `version`: a text that names all it
   * depends on.
   *
   * @param cache where the folder is; the suite's own cache as a rule.
   * @throws NotRunError when `fill` fails, with what it failed with.
   */
  async installed(
    name: string,
    version: string,
    fill: (folder: string) => Promise<void>,
    cache: string = this.cache,
  ): Promise<string> {
    const folder = join(cache, name)
    const stamp = join(folder, '.installed')
    if (existsSync(stamp) && readFileSync(stamp, 'utf8') === version) return folder
    this.say(`installing ${name}`)
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    try {
      await fill(folder)
    } catch (error) {
      throw new NotRunError(`${name} could not be installed: ${(error as Error).message}`)
    }
    writeFileSync(stamp, version)
    return folder
  }

  /** `run` for `installed`: throws when the command fails. */
  async mustRun(
    command: string,
    args: readonly string[],
    options: CommandOptions,
  ): Promise<ChildResult> {
    const result = await this.run(command, args, options)
    if (result.code === 0) return result
    const why = result.isTimedOut ? 'ran out of time' : `ended with ${result.code ?? result.signal}`
    throw new Error(`${command} ${why}, see ${join(this.logs, options.log)}`)
  }

  /** A new server in a new directory, or the one the run is against. Stopped when the suite ends. */
  async server(options: ServerOptions = {}): Promise<ServerUnderTest> {
    if (this.against !== undefined) return ServerUnderTest.foreign(this.against)
    const directory = options.directory ?? mkdtempSync(join(this.scratch, 'data-'))
    const main = join(this.root, 'dist', 'cli', 'main.js')
    const extra = options.args ?? []
    const listen = extra.includes('--listeners') ? [] : ['--port', String(options.port ?? 0)]
    const args = [main, 'serve', '--data', directory, '--log-level', 'warn', ...listen, ...extra]
    const child = this.start(process.execPath, args, {
      env: { STRATALOG_CHECKS: '1', ...options.env },
      limitMs: serverLimitMs,
      log: `server-${this.#servers.length + 1}.log`,
    })
    const server = await ServerUnderTest.listening(child, directory)
    this.#servers.push(server)
    return server
  }

  /** Stops the servers. @returns what was wrong with them. */
  async end(): Promise<string[]> {
    const faults: string[] = []
    for (const [index, server] of this.#servers.entries()) {
      faults.push(...(await server.stop()))
      const errors = await server.errorLines()
      if (errors.length > 0) {
        this.remarks.push(`${errors.length} errors in server-${index + 1}.log`)
      }
    }
    return faults
  }
}
