import { describe, expect, it } from 'vitest'
import { nodeFileSystem } from '../../src/platform/node-file-system.ts'
import { unsyncedFileSystem } from '../../src/platform/unsynced-file-system.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

describe('the disk without syncs', () => {
  it('asks the kernel for no sync, and leaves the real disk alone', async () => {
    const directory = makeTemporaryDirectory()
    const file = unsyncedFileSystem.open(`${directory.path}/file`, 'create')
    file.close()
    // A sync of a closed file could only fail.
    await file.flush()
    file.flushSync()
    const real = nodeFileSystem.open(`${directory.path}/file`, 'write')
    real.close()
    expect(() => real.flushSync()).toThrow()
    directory.remove()
  })
})
