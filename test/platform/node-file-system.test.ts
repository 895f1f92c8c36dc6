import { nodeFileSystem } from '../../src/platform/node-file-system.ts'
import { describeFileSystemContract } from '../contract/file-system-contract.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

describeFileSystemContract('real', () => {
  const directory = makeTemporaryDirectory()
  return { disk: nodeFileSystem, root: directory.path, remove: () => directory.remove() }
})
