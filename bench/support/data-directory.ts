/** Where a bench keeps its files. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repositoryRoot } from './machine.ts'

/** What is measured must lie on the repository's own disk: the temporary directory may be memory. */
export function benchDataFolder(): string {
  const folder = join(repositoryRoot(), '.cache', 'bench-data')
  mkdirSync(folder, { recursive: true })
  return folder
}

/** Gives `work` an empty directory and removes it afterwards, whatever happened. */
export async function inDataDirectory<T>(
  name: string,
  { tiny }: { tiny: boolean },
  work: (directory: string) => T | Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tiny ? tmpdir() : benchDataFolder(), `${name}-`))
  try {
    return await work(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
