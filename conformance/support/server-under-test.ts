/** `stratalog serve` in a process of its own, or a broker that somebody else has started. */
import type { Child, ChildResult } from '../../peers/child.ts'

export type Address = { readonly host: string; readonly port: number }

export type ServerOptions = {
  /** A fixed port, for suites that insist on one; 0, the default, for any free one. */
  readonly port?: number
  /** Further arguments of `stratalog serve`. */
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** A directory that is there already, to start on it again. */
  readonly directory?: string
}

const startLimitMs = 60_000
const stopLimitMs = 60_000

export class ServerUnderTest implements Address {
  readonly host: string
  readonly port: number
  /** The data directory; undefined for a broker that is not ours. */
  readonly directory: string | undefined
  readonly #child: Child | undefined
  #isKilled = false

  private constructor(address: Address, directory?: string, child?: Child) {
    this.host = address.host
    this.port = address.port
    this.directory = directory
    this.#child = child
  }

  /** @throws when it ends before it listens, or takes too long. */
  static async listening(child: Child, directory: string): Promise<ServerUnderTest> {
    const late = setTimeout(() => child.signal('SIGKILL'), startLimitMs)
    const [, port] = await child.said(/listening on \S*:(\d+)/).finally(() => clearTimeout(late))
    return new ServerUnderTest({ host: '127.0.0.1', port: Number(port) }, directory, child)
  }

  static foreign(address: Address): ServerUnderTest {
    return new ServerUnderTest(address)
  }

  get address(): string {
    return `${this.host}:${this.port}`
  }

  /** The process of a server that is ours. */
  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Ends it without warning. */
  async kill(): Promise<void> {
    this.#isKilled = true
    this.#child?.signal('SIGKILL')
    await this.#child?.ended
  }

  /** Stops it cleanly. @returns what was wrong with its life or its end, nothing as a rule. */
  async stop(): Promise<string[]> {
    const child = this.#child
    if (child === undefined || this.#isKilled) return []
    if (child.isOver) return [`the server ended by itself: ${howItEnded(await child.ended)}`]
    child.signal('SIGTERM')
    const late = setTimeout(() => child.signal('SIGKILL'), stopLimitMs)
    const result = await child.ended
    clearTimeout(late)
    this.#isKilled = true
    return result.code === 0 ? [] : [`the server did not stop cleanly: ${howItEnded(result)}`]
  }

  /** Lines of level error or above in its log so far. */
  async errorLines(): Promise<string[]> {
    const { stderr } = (await this.#child?.ended) ?? { stderr: '' }
    return stderr.split('\n').filter((line) => /"level":(?:"error"|"fatal"|[56]0)/.test(line))
  }
}

function howItEnded({ code, signal, stderr }: ChildResult): string {
  const said = stderr.trim().split('\n').at(-1)
  return `${signal ?? `exit code ${code}`}${said ? `, ${said}` : ''}`
}
