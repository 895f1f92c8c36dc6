/** Where a bench keeps its files. */
import { closeSync, fsyncSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repositoryRoot } from './machine.ts'
import { warmMemory } from './warm-memory.ts'

/** What is measured must lie on the repository's own disk: the temporary directory may be memory. */
export function benchDataFolder(): string {
  const folder = join(repositoryRoot(), '.cache', 'bench-data')
  mkdirSync(folder, { recursive: true })
  return folder
}

/**
 * Gives `work` an empty directory and removes it afterwards, whatever happened. At full size the
 * memory is warm when it begins, and the removal is made durable too: the file system would else do
 * it (journal, discards) in the first sync of the next run.
 */
export async function inDataDirectory<T>(
  name: string,
  { tiny }: { tiny: boolean },
  work: (directory: string) => T | Promise<T>,
): Promise<T> {
  const folder = tiny ? tmpdir() : benchDataFolder()
  const directory = mkdtempSync(join(folder, `${name}-`))
  if (!tiny) warmMemory()
  try {
    return await work(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
    if (!tiny) syncFolder(folder)
  }
}

function syncFolder(path: string): void {
  const fd = openSync(path, 'r')
  fsyncSync(fd)
  closeSync(fd)
}
