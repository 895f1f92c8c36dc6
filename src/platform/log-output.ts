/**
 * Where the lines of the server's log go. It never throws: a log on a full disk, or whose reader is
 * gone, must not end a server that has data to serve. The next line that can be written says how many
 * could not.
 */
import { writeSync } from 'node:fs'

export class LogOutput {
  readonly #fd: number
  readonly #write: (fd: number, bytes: Uint8Array) => number
  #lostLines = 0
  #firstError = ''
  /** The output ends within a line. */
  #isCut = false

  /** @param write writes some of the bytes and returns how many, or throws. */
  constructor(fd: number, write: (fd: number, bytes: Uint8Array) => number = writeSync) {
    this.#fd = fd
    this.#write = write
  }

  /** Writes one line, with its end; or counts it as lost. */
  write(line: string): void {
    try {
      if (this.#lostLines > 0) this.#tellLost()
      this.#writeAll(line)
    } catch (error) {
      if (this.#lostLines === 0) this.#firstError = String(error)
      this.#lostLines++
    }
  }

  #tellLost(): void {
    const level = 40
    const told = { level, time: Date.now(), lines: this.#lostLines, error: this.#firstError }
    this.#writeAll(
      `${JSON.stringify({ ...told, msg: 'lines of this log could not be written' })}\n`,
    )
    this.#lostLines = 0
  }

  #writeAll(line: string): void {
    let rest: Uint8Array = Buffer.from(this.#isCut ? `\n${line}` : line)
    while (rest.length > 0) {
      const count = this.#write(this.#fd, rest)
      if (count === 0) throw new Error('nothing was taken of a line')
      rest = rest.subarray(count)
      this.#isCut = rest.length > 0
    }
  }
}
