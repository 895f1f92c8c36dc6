/**
 * Where software of others is installed on demand and run: a cache that stays from run to run, logs,
 * and commands as children that never outlive this process (peers/child.ts).
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Child, type ChildOptions, type ChildResult } from './child.ts'
import { NotRunError } from './not-run.ts'

/** `log` names a file in the folder of logs; the limit has a default. */
export type CommandOptions = Partial<Omit<ChildOptions, 'log'>> & { readonly log: string }

export type WorkshopOptions = {
  /** Begins every line that is printed. */
  readonly title: string
  /** The repository. */
  readonly root: string
  /** Kept from run to run, for what is installed; git ignores it. */
  readonly cache: string
}

const defaultLimitMs = 120_000

export class Workshop {
  readonly title: string
  /** The repository. */
  readonly root: string
  /** Kept from run to run, for what is installed; git ignores it. */
  readonly cache: string
  /** Emptied when a run begins. */
  readonly logs: string
  /** Emptied when a run begins: where commands run unless they are told otherwise. */
  readonly scratch: string

  constructor({ title, root, cache }: WorkshopOptions) {
    this.title = title
    this.root = root
    this.cache = cache
    this.logs = join(cache, 'logs')
    this.scratch = join(cache, 'scratch')
    for (const folder of [this.logs, this.scratch]) {
      rmSync(folder, { recursive: true, force: true })
      mkdirSync(folder, { recursive: true })
    }
  }

  /** What several workshops use is installed here, once for all. */
  get sharedCache(): string {
    return join(this.root, '.cache', 'peers')
  }

  say(line: string): void {
    process.stdout.write(`${this.title}: ${line}\n`)
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

  /**
   * A folder of the cache that `fill` has filled, once for each `version`: a text that names all it
   * depends on.
   *
   * @param cache where the folder is; the own cache as a rule.
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
}
