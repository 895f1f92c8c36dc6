/** Runs one part of a bench (its run-part.ts, compiled) in a process of its own. */
import { spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { warmMemory } from './warm-memory.ts'

/** The compiled `run-part.js` of a bench, and what Node is told before it. */
export type PartScript = { readonly url: URL; readonly nodeArguments?: readonly string[] }

const timeoutMs = 120_000

export class PartFailedError extends Error {
  override readonly name = 'PartFailedError'
}

/**
 * What the part printed, begun with warm memory. Throws PartFailedError, with the first error line, when
 * it failed.
 */
export function runPart<T>(
  script: PartScript,
  part: string,
  directory: string,
  input: unknown,
  environment: Readonly<Record<string, string>> = {},
): T {
  warmMemory()
  const result = spawnSync(process.execPath, argumentsOf(script, part, directory, input), {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    env: { ...process.env, ...environment },
  })
  if (result.status === 0) return JSON.parse(result.stdout) as T
  throw failure(part, result.stderr)
}

/**
 * Starts the part and kills it (SIGKILL) as soon as a line it prints satisfies `isEnough`.
 * @returns the last line that arrived; the process is gone.
 */
export async function runUntilKilled<T>(
  script: PartScript,
  part: string,
  directory: string,
  input: unknown,
  isEnough: (line: T) => boolean,
): Promise<T> {
  const child = spawn(process.execPath, argumentsOf(script, part, directory, input), {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  const closed = new Promise<void>((resolve) => child.on('close', () => resolve()))
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  let last: T | undefined
  let wasEnough = false
  for await (const text of createInterface({ input: child.stdout })) {
    // The kill may cut the last line short.
    if (!text.endsWith('}')) break
    last = JSON.parse(text) as T
    if (!wasEnough && isEnough(last)) {
      wasEnough = true
      child.kill('SIGKILL')
    }
  }
  await closed
  clearTimeout(timer)
  if (last === undefined || !wasEnough) throw failure(part, stderr)
  return last
}

function argumentsOf(
  { url, nodeArguments = [] }: PartScript,
  part: string,
  directory: string,
  input: unknown,
): string[] {
  return [...nodeArguments, fileURLToPath(url), part, directory, JSON.stringify(input)]
}

function failure(part: string, stderr: string): PartFailedError {
  const lines = stderr.split('\n')
  const reason = lines.find((line) => /^\w*Error\b/.test(line)) ?? `no end after ${timeoutMs} ms`
  return new PartFailedError(`${part}: ${reason}`)
}
