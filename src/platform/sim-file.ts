import { Buffer } from 'node:buffer'
import type { File, MappedFile } from './file-system.ts'
import { simFailure } from './sim-failure.ts'
import type { SimFileNode } from './sim-tree.ts'

/** The part of SimFileSystem that its open files use. */
export type SimDoor = {
  read(operation: string, path: string): void
  write(path: string, node: SimFileNode, source: Uint8Array, position: number): void
  writeDurableLater(
    path: string,
    node: SimFileNode,
    source: Uint8Array,
    position: number,
  ): Promise<void> | undefined
  finishDurableWrites(node: SimFileNode): void
  truncate(path: string, node: SimFileNode, sizeBytes: number): void
  reserve(path: string, node: SimFileNode, endBytes: number): void
  flush(path: string, node: SimFileNode): Promise<void>
  flushSync(path: string, node: SimFileNode): void
  release(node: SimFileNode): void
}

/** One open file of the simulated disk. */
export class SimFile implements File {
  readonly path: string
  readonly fd = -1
  readonly #door: SimDoor
  readonly #node: SimFileNode
  readonly #isWritable: boolean
  #isClosed = false

  constructor(door: SimDoor, path: string, node: SimFileNode, isWritable: boolean) {
    this.#door = door
    this.path = path
    this.#node = node
    this.#isWritable = isWritable
    node.references++
  }

  size(): number {
    return this.#opened('stat').content.sizeBytes
  }

  read(target: Uint8Array, position: number): number {
    const node = this.#opened('read')
    this.#door.read('read', this.path)
    const found = node.content.view().subarray(position, position + target.length)
    target.set(found)
    return found.length
  }

  /** Its disk is memory. */
  isCached(): boolean {
    this.#opened('read')
    return true
  }

  async load(): Promise<void> {
    this.#opened('read')
  }

  write(source: Uint8Array, position: number): void {
    this.#door.write(this.path, this.#written('write'), source, position)
  }

  writeDurable(source: Uint8Array, position: number): void {
    this.write(source, position)
    this.flushSync()
  }

  writeDurableLater(source: Uint8Array, position: number): Promise<void> | undefined {
    const node = this.#written('write')
    return this.#door.writeDurableLater(this.path, node, source, position)
  }

  finishDurableWrites(): void {
    this.#door.finishDurableWrites(this.#opened('flush'))
  }

  truncate(sizeBytes: number): void {
    this.#door.truncate(this.path, this.#written('truncate'), sizeBytes)
  }

  reserve(position: number, length: number): boolean {
    this.#door.reserve(this.path, this.#written('reserve'), position + length)
    return true
  }

  async flush(): Promise<void> {
    return this.#door.flush(this.path, this.#opened('flush'))
  }

  flushSync(): void {
    this.#door.flushSync(this.path, this.#opened('flush'))
  }

  map(sizeBytes: number): MappedFile {
    const node = this.#opened('map')
    if (!(sizeBytes > 0)) throw new RangeError('length is out of range')
    this.#door.read('map', this.path)
    if (sizeBytes > node.content.sizeBytes) throw simFailure('map', this.path, 'EINVAL')
    const region = new ArrayBuffer(sizeBytes)
    const bytes = Buffer.from(region)
    bytes.set(node.content.view().subarray(0, sizeBytes))
    return {
      bytes,
      unmap: () => {
        // Transferring empties every view of it.
        if (region.byteLength > 0) structuredClone(region, { transfer: [region] })
      },
    }
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#door.release(this.#node)
  }

  #opened(operation: string): SimFileNode {
    if (this.#isClosed) throw simFailure(operation, this.path, 'EBADF')
    return this.#node
  }

  #written(operation: string): SimFileNode {
    if (!this.#isWritable) throw simFailure(operation, this.path, 'EBADF')
    return this.#opened(operation)
  }
}
