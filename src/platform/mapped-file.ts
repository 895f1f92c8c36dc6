import { Buffer } from 'node:buffer'
import type { NativeBinding } from '../native/binding.ts'
import { binding } from '../native/load-binding.ts'
import { portableBinding } from '../native/portable.ts'
import type { MappedFile } from './file-system.ts'
import { storageFailure } from './storage-failure.ts'

type Mapper = Pick<NativeBinding, 'map' | 'unmap'>

/**
 * One mapped region of the real disk. The region is unmapped by `unmap`, or by the garbage
 * collector once neither this object nor any view of `bytes` is reachable; whichever comes first.
 */
class NodeMappedFile implements MappedFile {
  readonly bytes: Buffer
  readonly #region: ArrayBuffer
  readonly #mapper: Mapper

  constructor(mapper: Mapper, fd: number, sizeBytes: number) {
    this.#mapper = mapper
    this.#region = mapper.map(fd, sizeBytes)
    this.bytes = Buffer.from(this.#region)
  }

  unmap(): void {
    this.#mapper.unmap(this.#region)
  }
}

/**
 * Maps `[0, sizeBytes)` of `fd`; where the process may have no more mappings (vm.max_map_count), or a
 * runtime lets JavaScript see no memory of others, as Electron does, the bytes are read into memory.
 * Throws StorageError when the file is shorter or cannot be read.
 */
export function mapFile(
  fd: number,
  path: string,
  sizeBytes: number,
  mapper: Mapper = binding,
): MappedFile {
  try {
    try {
      return new NodeMappedFile(mapper, fd, sizeBytes)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOMEM') throw error
      return new NodeMappedFile(portableBinding, fd, sizeBytes)
    }
  } catch (error) {
    throw storageFailure('map', path, error)
  }
}
