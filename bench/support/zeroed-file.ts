/**
 * A file of fixed size that was written full of zeros and synced: a write into it changes no
 * metadata but times, so fdatasync has data to wait for and nothing else. Writes go to advancing
 * positions, in steps of whole pages, and wrap round.
 */
import { closeSync, fdatasyncSync, fsyncSync, openSync, writeSync } from 'node:fs'

const pageBytes = 4096
const fillBytes = 1 << 20

export class ZeroedFile {
  readonly fd: number
  readonly #sizeBytes: number
  #position = 0

  constructor(path: string, sizeBytes: number) {
    this.fd = openSync(path, 'wx+')
    this.#sizeBytes = sizeBytes
    const zeros = Buffer.alloc(Math.min(fillBytes, sizeBytes))
    for (let at = 0; at < sizeBytes; at += zeros.length) {
      writeSync(this.fd, zeros, 0, Math.min(zeros.length, sizeBytes - at), at)
    }
    fsyncSync(this.fd)
  }

  /** Writes `source`, which is at most the whole file, at the next place with room for it. */
  writeNext(source: Uint8Array): void {
    if (this.#position + source.length > this.#sizeBytes) this.#position = 0
    writeSync(this.fd, source, 0, source.length, this.#position)
    this.#position += Math.ceil(source.length / pageBytes) * pageBytes
  }

  syncHere(): void {
    fdatasyncSync(this.fd)
  }

  close(): void {
    closeSync(this.fd)
  }
}
