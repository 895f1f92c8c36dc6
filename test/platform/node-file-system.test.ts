import { describe, expect, it } from 'vitest'
import { nodeFileSystem } from '../../src/platform/node-file-system.ts'
import { describeFileSystemContract } from '../contract/file-system-contract.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

describeFileSystemContract('real', () => {
  const directory = makeTemporaryDirectory()
  return { disk: nodeFileSystem, root: directory.path, remove: () => directory.remove() }
})

describe('makeDirectory on the real disk', () => {
  it.skipIf(process.platform !== 'linux')(
    'fails at once below a directory that takes no children [skipped outside Linux]',
    () => {
      expect(() => nodeFileSystem.makeDirectory('/proc/stratalog/data')).toThrow(
        expect.objectContaining({ code: 'ERR_STORAGE', errno: 'ENOENT' }),
      )
    },
  )
})
