/**
 * A command in a process group of its own, with a time limit and a log of all it says. The group is
 * killed as a whole, so that nothing it started outlives it; `killAll` does it for every child
 * there is, when the run ends however it ends.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'

export type ChildOptions = {
  readonly cwd?: string
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>
  /** What it reads from its standard input; without it there is nothing to read. */
  readonly input?: string
  /** After this time it is asked to end, and killed soon after. */
  readonly limitMs: number
  /** How long it has to end after it was asked; 5 s as a rule. */
  readonly graceMs?: number
  /** A file to which its output is appended. */
  readonly log: string
}

export type ChildResult = {
  /** null when a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly isTimedOut: boolean
  readonly stdout: string
  readonly stderr: string
  readonly seconds: number
}

const defaultGraceMs = 5_000
const running = new Set<Child>()

/** Kills every child that runs, with all it started. */
export function killAll(): void {
  for (const child of running) child.signal('SIGKILL')
}

export class Child {
  /** The command as it was started, for messages. */
  readonly title: string
  /** Never rejects: an absent command ends with code 127. */
  readonly ended: Promise<ChildResult>
  readonly #process: ChildProcess
  readonly #log: WriteStream
  readonly #listeners = new Set<() => void>()
  readonly #timers: NodeJS.Timeout[] = []
  readonly #graceMs: number
  #stdout = ''
  #stderr = ''
  #isTimedOut = false
  #isOver = false

  constructor(command: string, args: readonly string[], options: ChildOptions) {
    this.title = [command, ...args].join(' ')
    this.#graceMs = options.graceMs ?? defaultGraceMs
    this.#log = createWriteStream(options.log, { flags: 'a' })
    this.#log.write(`$ ${this.title}\n`)
    this.#process = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    })
    const input = this.#process.stdin!
    input.on('error', () => {}) // It ended without reading all of it.
    input.end(options.input ?? '')
    this.#process.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
      this.#said(text)
    })
    this.#process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
      this.#said(text)
    })
    running.add(this)
    this.ended = this.#run(options.limitMs)
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** What it has written to its standard output so far. */
  get stdout(): string {
    return this.#stdout
  }

  /** Sends a signal to the whole group; nothing when that is gone. */
  signal(signal: NodeJS.Signals): void {
    if (this.#process.pid === undefined) return
    try {
      process.kill(-this.#process.pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }

  /** Asks it to end, and kills it when it does not. */
  stop(): void {
    this.signal('SIGTERM')
    this.#timers.push(setTimeout(() => this.signal('SIGKILL'), this.#graceMs))
  }

  /**
   * Resolves with the match as soon as the standard output has it, at once when it has already;
   * rejects when the child ends without.
   */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#stdout)
      if (match !== null) return match
      if (this.#isOver) throw new Error(`${this.title} ended without saying ${pattern}`)
      await new Promise<void>((resolve) => this.#listeners.add(resolve))
    }
  }

  async #run(limitMs: number): Promise<ChildResult> {
    const startedMs = Date.now()
    this.#timers.push(
      setTimeout(() => {
        this.#isTimedOut = true
        this.stop()
      }, limitMs),
    )
    const [code, signal] = await this.#closed()
    for (const timer of this.#timers) clearTimeout(timer)
    // What it has left behind in its group.
    this.signal('SIGKILL')
    running.delete(this)
    this.#isOver = true
    this.#wake()
    const seconds = (Date.now() - startedMs) / 1000
    const isTimedOut = this.#isTimedOut
    this.#log.end(
      `$ ended with ${code ?? signal} after ${seconds} s${isTimedOut ? ', at its limit' : ''}\n`,
    )
    await once(this.#log, 'close')
    return { code, signal, isTimedOut, stdout: this.#stdout, stderr: this.#stderr, seconds }
  }

  async #closed(): Promise<[number | null, NodeJS.Signals | null]> {
    try {
      return (await once(this.#process, 'close')) as [number | null, NodeJS.Signals | null]
    } catch (error) {
      this.#stderr += `${(error as Error).message}\n`
      return [127, null]
    }
  }

  #said(text: string): void {
    this.#log.write(text)
    this.#wake()
  }

  #wake(): void {
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) listener()
  }
}
