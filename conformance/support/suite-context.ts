/** What a suite is given: folders of its own, commands, servers, and how it was asked to run. */
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { Workshop } from '../../peers/workshop.ts'
import { type Address, type ServerOptions, ServerUnderTest } from './server-under-test.ts'

export type ContextOptions = {
  readonly root: string
  readonly suite: string
  /** Given after `--`, for the suite alone. */
  readonly extra: readonly string[]
  readonly isFast: boolean
  readonly against: Address | undefined
}

/** Longer than any suite: a server ends when its suite does. */
const serverLimitMs = 6 * 3600_000

/** Its scratch folder is removed after a run in which all was as expected. */
export class SuiteContext extends Workshop {
  readonly suite: string
  /** The suite's own folder, for files it brings. */
  readonly source: string
  readonly extra: readonly string[]
  /** `--fast` was asked for: a suite with a shorter form takes that. */
  readonly isFast: boolean
  /** A broker that is running, to use in place of our server; expectations are not compared then. */
  readonly against: Address | undefined
  /** Told in the last column of the table. */
  readonly remarks: string[] = []
  readonly #servers: ServerUnderTest[] = []

  constructor({ root, suite, extra, isFast, against }: ContextOptions) {
    super({ title: suite, root, cache: join(root, '.cache', 'conformance', suite) })
    this.suite = suite
    this.source = join(root, 'conformance', suite)
    this.extra = extra
    this.isFast = isFast
    this.against = against
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
