/** What a figure depends on: the machine. */
import { existsSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem, type } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { binding } from '../../src/native/load-binding.ts'

const gibibyte = 1024 ** 3

/** One line: CPU model, cores, memory, kernel, Node and the binding that serves. */
export function machineLine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown CPU'
  const memory = `${(totalmem() / gibibyte).toFixed(1)} GiB`
  const system = `${type()} ${release()}`
  return `${model}, ${availableParallelism()} cores, ${memory}, ${system}, Node ${process.version}, ${binding.kind} binding`
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
