/** `stratalog serve` in a process of its own, which may be killed at any moment, also at its start. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const startLimitMs = 60_000

export class ServerProcess {
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  #said = ''
  port = 0

  /** @param port 0 for any free one. */
  constructor(directory: string, port: number) {
    const args = ['serve', '--port', String(port), '--data', directory, '--log-level', 'error']
    this.#child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child.stderr!.on('data', (chunk) => {
      this.#said += chunk
    })
    this.#exited = once(this.#child, 'exit')
  }

  /** Resolves when it accepts connections. */
  async listening(): Promise<void> {
    const late = setTimeout(() => this.#child.kill('SIGKILL'), startLimitMs)
    const ended = this.#exited.then(() => {
      throw new Error(`the server ended at its start: ${this.#said}`)
    })
    ended.catch(() => {})
    const port = new Promise<number>((resolve) => {
      let said = ''
      this.#child.stdout!.on('data', (chunk) => {
        said += chunk
        const found = /listening on \S*:(\d+)/.exec(said)
        if (found !== null) resolve(Number(found[1]))
      })
    })
    this.port = await Promise.race([port, ended])
    clearTimeout(late)
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** What it wrote to stderr: nothing but errors. */
  get complaints(): string {
    return this.#said
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  /** Asks it to stop; resolves with its exit code. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM')
    await this.#exited
    return this.#child.exitCode
  }
}

/** What `stratalog dump --records --json` says of a directory: records per log, or why not. */
export function dumpCounts(directory: string): Map<string, number> {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [main, 'dump', directory, '--records', '--json'],
    { encoding: 'utf8', maxBuffer: 1024 * 1024 * 1024 },
  )
  if (status !== 0) throw new Error(`stratalog dump ended with ${status}: ${stderr}`)
  const counts = new Map<string, number>()
  for (const line of stdout.split('\n')) {
    if (line === '') continue
    const { file } = JSON.parse(line) as { file: string }
    const log = file.split('/').at(-2)!
    counts.set(log, (counts.get(log) ?? 0) + 1)
  }
  return counts
}
