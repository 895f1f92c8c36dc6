/** Entry "stratalog/testing": for the tests of whoever builds on stratalog. */

export {
  type MemoryPlace,
  type MemoryStorage,
  memoryStorage,
} from './testing/memory-storage.ts'
export {
  type ContractOptions,
  type ContractSection,
  storageContract,
  type TestFunction,
  type TestFunctions,
} from './testing/storage-contract.ts'
export type {
  StorageFactory,
  StorageUnderTest,
  TestedStorage,
} from './testing/storage-under-test.ts'
export { type TestBroker, type TestBrokerOptions, testBroker } from './testing/test-broker.ts'
