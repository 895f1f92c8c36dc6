/** Runs the scripted life with one fault injected into its system calls, by strace or a preload. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('./scripted-run.js', import.meta.url))
/** A run takes well under a second; this only tells a hang from a busy machine. */
const limitMs = 60_000

export type Fault = {
  readonly call: string
  /** Name of an errno, or `short`. */
  readonly error: string
  /** Which call of its kind; by strace each thread counts for itself. */
  readonly at: number
}

/** What one run needs; paths are absolute. */
export type RunPlace = {
  readonly directory: string
  /** Where the run reports to. */
  readonly reportPath: string
  readonly tracePath: string
  readonly life: string
  readonly end: 'close' | 'abandon'
  /** 0 = none. */
  readonly journalBytes: number
}

export type RunResult = {
  readonly exitCode: number | null
  readonly isHung: boolean
  readonly stderr: string
  /** Lines of the trace, or of what the preload said. */
  readonly trace: readonly string[]
  readonly report: readonly string[]
}

/** Every system call of the script, with the paths of descriptors, without a fault. */
export function traceAll(place: RunPlace, calls: readonly string[]): Promise<RunResult> {
  const set = calls.map((call) => `?${call}`).join(',')
  return runScript(place, ['strace', ...traceOptions(place), '-e', `trace=${set}`], {})
}

/**
 * @param paths every path below the directory that the script uses: only calls on them count.
 *        Calls of `write` are shown too where the fault is another, so that the trace tells which
 *        acknowledgement was given before the fault and which after it.
 */
export function runWithFault(
  place: RunPlace,
  { call, error, at }: Fault,
  paths: readonly string[],
): Promise<RunResult> {
  const shown = call === 'write' ? call : `${call},write`
  const traced = call === 'write' ? paths : [...paths, place.reportPath]
  const inject = ['-e', `trace=${shown}`, '-e', `inject=${call}:error=${error}:when=${at}`]
  // What strace filters by, this call does not tell it; nobody else here makes any.
  const filter = call === 'io_submit' ? [] : traced.flatMap((path) => ['-P', path])
  return runScript(place, ['strace', ...traceOptions(place), ...filter, ...inject], {})
}

export function runWithShortCall(
  place: RunPlace,
  fault: Fault,
  preload: string,
): Promise<RunResult> {
  return runScript(place, [], {
    LD_PRELOAD: preload,
    STRATALOG_SHORT_CALL: fault.call,
    STRATALOG_SHORT_AT: String(fault.at),
    STRATALOG_SHORT_UNDER: `${place.directory}/`,
  })
}

export function runPlainly(place: RunPlace): Promise<RunResult> {
  return runScript(place, [], {})
}

function traceOptions({ tracePath }: RunPlace): string[] {
  return ['-f', '--seccomp-bpf', '-qq', '-y', '-s', '200', '-o', tracePath]
}

async function runScript(
  place: RunPlace,
  wrapper: readonly string[],
  env: Record<string, string>,
): Promise<RunResult> {
  const report = openSync(place.reportPath, 'w')
  const { directory, life, end, journalBytes } = place
  const run = [process.execPath, script, directory, life, end, String(journalBytes)]
  const all = [...wrapper, ...run]
  const [command, ...args] = all as [string, ...string[]]
  const child: ChildProcess = spawn(command, args, {
    stdio: ['ignore', 'ignore', 'pipe', report],
    // One thread in the pool, so that its calls come in one order.
    env: { ...process.env, ...env, UV_THREADPOOL_SIZE: '1' },
  })
  closeSync(report)
  let stderr = ''
  child.stderr!.on('data', (chunk) => {
    stderr += chunk
  })
  let isHung = false
  const late = setTimeout(() => {
    isHung = true
    child.kill('SIGKILL')
  }, limitMs)
  const [exitCode] = await once(child, 'close')
  clearTimeout(late)
  const usesStrace = wrapper.length > 0
  return {
    exitCode,
    isHung,
    stderr,
    trace: usesStrace ? linesOf(place.tracePath) : stderr.split('\n'),
    report: linesOf(place.reportPath),
  }
}

function linesOf(path: string): string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
}

/** The calls on paths below `directory` in a trace: how many per thread, and which paths. */
export function countCalls(
  trace: readonly string[],
  directory: string,
): { calls: Map<string, number>; paths: string[] } {
  const perThread = new Map<string, number>()
  const calls = new Map<string, number>()
  const paths = new Set<string>([directory])
  for (const line of trace) {
    const found = /^(\d+) +(\w+)\((.*)/.exec(line)
    if (found === null) continue
    const [, thread, call, rest] = found as unknown as [string, string, string, string]
    const named = [...rest.matchAll(/[<"](\/[^>"]*)[>"]/g)].map((match) => match[1]!)
    const below = named.filter((path) => path === directory || path.startsWith(`${directory}/`))
    // Names of deleted topics are drawn at random; their directories cannot be known beforehand.
    const known = below.filter((path) => !path.includes('-delete'))
    if (known.length === 0) continue
    for (const path of known) {
      paths.add(path)
      if (path !== directory) paths.add(dirname(path))
    }
    const count = (perThread.get(`${thread} ${call}`) ?? 0) + 1
    perThread.set(`${thread} ${call}`, count)
    calls.set(call, Math.max(calls.get(call) ?? 0, count))
  }
  return { calls, paths: [...paths].map((path) => join(path)) }
}
