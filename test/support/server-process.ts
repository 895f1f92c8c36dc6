/** The built command serving a data directory in a process of its own, which a test may kill. */
import { type ChildProcess, spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const main = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'dist/cli/main.js')

export class ServerProcess {
  readonly port: number
  readonly #child: ChildProcess
  readonly #exited: Promise<number | null>

  /** Resolves when the server accepts; `port` 0 is any free one. */
  static async start(directory: string, port = 0): Promise<ServerProcess> {
    const args = ['serve', '--port', String(port), '--data', directory, '--log-level', 'error']
    const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    const listening = await new Promise<number>((resolve, reject) => {
      const look = (chunk: Buffer) => {
        said += chunk
        const found = /listening on [^\s]*:(\d+)/.exec(said)
        if (found !== null) resolve(Number(found[1]))
      }
      child.stdout.on('data', look)
      child.stderr.on('data', look)
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${said}`)))
      child.once('error', reject)
    })
    return new ServerProcess(child, listening)
  }

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
    this.#exited = new Promise((resolve) => child.once('exit', resolve))
    // A test that fails half-way leaves no server behind.
    const end = () => child.kill('SIGKILL')
    process.once('exit', end)
    void this.#exited.then(() => process.off('exit', end))
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  /** Ends it without warning; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  /** Asks it to stop; resolves with its exit code. */
  stop(): Promise<number | null> {
    this.#child.kill('SIGTERM')
    return this.#exited
  }
}
