/** Our server in a process of its own, and what it costs by /proc (Linux; NaN elsewhere). */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { repositoryRoot } from './machine.ts'

/** The kernel counts processor time in ticks of 10 ms. */
const tickMs = 10

export class ServerProcess {
  readonly port: number
  readonly #child: ChildProcess

  /** Starts `stratalog serve` on a free port, with these arguments, and waits until it listens. */
  static async start(args: readonly string[]): Promise<ServerProcess> {
    // Beside this file when it is compiled by scripts/bench.mjs, else what was built.
    const compiled = join(dirname(fileURLToPath(import.meta.url)), '../../src/cli/main.js')
    const main = existsSync(compiled) ? compiled : join(repositoryRoot(), 'dist/cli/main.js')
    const all = [main, 'serve', '--port', '0', '--log-level', 'error', ...args]
    const child = spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    for await (const chunk of child.stdout) {
      said += String(chunk)
      const port = /listening on [^\s]*:(\d+)/.exec(said)?.[1]
      if (port !== undefined) return new ServerProcess(child, Number(port))
    }
    throw new Error(`the server did not start: ${said}`)
  }

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
  }

  get pid(): number {
    return this.#child.pid as number
  }

  residentKib(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(this.#readProc('status'))?.[1])
  }

  /** User and system time so far, all threads. */
  cpuMs(): number {
    const fields = this.#readProc('stat').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) * tickMs
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGTERM')
    await gone
  }

  #readProc(name: string): string {
    const path = `/proc/${this.#child.pid}/${name}`
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }
}
