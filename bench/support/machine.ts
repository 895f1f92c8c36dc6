/** What a figure depends on: the machine, and whether its memory was ever used. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism, cpus, freemem, release, totalmem, type } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { binding } from '../../src/native/load-binding.ts'

const gibibyte = 1024 ** 3
const pageBytes = 4096

/** One line: CPU model, cores, memory, kernel, Node and the binding that serves. */
export function machineLine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown CPU'
  const memory = `${(totalmem() / gibibyte).toFixed(1)} GiB`
  const system = `${type()} ${release()}`
  return `${model}, ${availableParallelism()} cores, ${memory}, ${system}, Node ${process.version}, ${binding.kind} binding`
}

/**
 * Touches most of the free memory once, in a process of its own. Under a hypervisor a page that
 * was never used costs about 10 µs at first touch, and everything that grows the page cache pays
 * it, so that a run on a fresh machine swings five-fold. Bounded: 75 % of what is free, 20 s.
 */
export function warmMemory(): void {
  const script = `
    const wanted = ${Math.floor(freemem() * 0.75)}, deadline = Date.now() + 20_000, held = []
    for (let bytes = 0; bytes < wanted && Date.now() < deadline; bytes += ${gibibyte / 16}) {
      const block = Buffer.allocUnsafeSlow(${gibibyte / 16})
      for (let at = 0; at < block.length; at += ${pageBytes}) block[at] = 1
      held.push(block)
    }`
  spawnSync(process.execPath, ['-e', script], { stdio: 'ignore', timeout: 60_000 })
}

/** The repository's root, from the sources as well as from .cache/bench. */
export function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  // The lock file stands at the root only: .cache/bench has a package.json of its own.
  while (!existsSync(join(folder, 'package-lock.json'))) {
    const parent = dirname(folder)
    if (parent === folder) throw new Error('the repository root is not above the bench')
    folder = parent
  }
  return folder
}
