import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A fresh directory for one test; `remove` takes it and all in it away. */
export function makeTemporaryDirectory(): { path: string; remove(): void } {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'stratalog-test-')))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Runs `use` in a fresh directory that is removed afterwards. */
export async function withTemporaryDirectory(
  use: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = makeTemporaryDirectory()
  try {
    await use(directory.path)
  } finally {
    directory.remove()
  }
}
