import { Buffer } from 'node:buffer'
import { binding } from '../native/load-binding.ts'
import type { MappedFile } from './file-system.ts'
import { storageFailure } from './storage-failure.ts'

/**
 * One mapped region of the real disk. The region is unmapped by `unmap`, or by the garbage
 * collector once neither this object nor any view of `bytes` is reachable; whichever comes first.
 */
class NodeMappedFile implements MappedFile {
  readonly bytes: Buffer
  readonly #region: ArrayBuffer

  constructor(region: ArrayBuffer) {
    this.#region = region
    this.bytes = Buffer.from(region)
  }

  unmap(): void {
    binding.unmap(this.#region)
  }
}

/** Maps `[0, sizeBytes)` of `fd`. Throws StorageError when the file is shorter or mapping fails. */
export function mapFile(fd: number, path: string, sizeBytes: number): MappedFile {
  try {
    return new NodeMappedFile(binding.map(fd, sizeBytes))
  } catch (error) {
    throw storageFailure('map', path, error)
  }
}
