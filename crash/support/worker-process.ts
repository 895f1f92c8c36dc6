/** An embedded worker in a process of its own, and what it reports. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Survivors } from './log-model.ts'
import { ReportReader } from './report-reader.ts'
import type { StoreModel } from './store-model.ts'

const script = fileURLToPath(new URL('./embedded-worker.js', import.meta.url))

export type WorkerOptions = {
  readonly directory: string
  readonly seed: number
  /** Names the records of this life. */
  readonly life: number
  readonly model: StoreModel
  /** What the end of the life before has left. */
  readonly survivors: Survivors
}

export class WorkerProcess {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #said = ''
  #ackWaiter: { at: number; resolve: () => void } | undefined
  #onLoaded!: () => void
  readonly report: ReportReader
  /** Resolves when it has reported what was there, or has ended. */
  readonly loaded: Promise<void>

  constructor({ directory, seed, life, model, survivors }: WorkerOptions) {
    const args = [script, directory, String(seed), String(life)]
    this.#child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] })
    this.#child.stderr!.on('data', (chunk) => {
      this.#said += chunk
    })
    this.report = new ReportReader(model, survivors)
    this.loaded = new Promise((resolve) => {
      this.#onLoaded = resolve
    })
    const lines = createInterface({ input: this.#child.stdio[3] as Readable })
    lines.on('line', (line) => this.#take(line))
    // All it has reported counts, also what the pipe still holds when it is gone.
    this.#ended = Promise.all([once(lines, 'close'), once(this.#child, 'exit')]).then(() => {
      this.#onLoaded()
      this.#ackWaiter?.resolve()
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Resolves after `count` more acknowledgements, or when the worker is gone. */
  acks(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#ackWaiter = { at: this.report.ackCount + count, resolve }
      if (this.#child.exitCode !== null) resolve()
    })
  }

  /**
   * Ends it without warning; resolves when all it said has been taken in.
   *
   * @param mayHaveEnded it may have ended by itself before, if it said why.
   */
  async kill({ mayHaveEnded = false } = {}): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
    const { signalCode, exitCode } = this.#child
    if (signalCode === 'SIGKILL') return
    if (mayHaveEnded && exitCode === 1 && this.report.errors.length > 0) return
    this.report.faults.push(`it ended by itself with ${exitCode ?? signalCode}: ${this.#said}`)
  }

  /** Asks it to close its store. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    await this.#ended
    if (this.report.isClosed && this.#child.exitCode === 0) return
    this.report.faults.push(`it did not close cleanly: ${this.#said}`)
  }

  #take(line: string): void {
    this.report.take(line)
    if (this.report.isLoaded) this.#onLoaded()
    if (this.#ackWaiter !== undefined && this.report.ackCount >= this.#ackWaiter.at) {
      this.#ackWaiter.resolve()
      this.#ackWaiter = undefined
    }
  }
}
