import type { Logger } from '../../src/base/logger.ts'

export type LogLine = {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly fields: Record<string, unknown>
  readonly message: string
}

/** Keeps what was logged. `next` waits for a line that is not there yet. */
export class RecordingLogger implements Logger {
  readonly lines: LogLine[] = []
  #waiting: { level: string; resolve: (line: LogLine) => void }[] = []

  debug(fields: Record<string, unknown>, message: string): void {
    this.#add({ level: 'debug', fields, message })
  }

  info(fields: Record<string, unknown>, message: string): void {
    this.#add({ level: 'info', fields, message })
  }

  warn(fields: Record<string, unknown>, message: string): void {
    this.#add({ level: 'warn', fields, message })
  }

  error(fields: Record<string, unknown>, message: string): void {
    this.#add({ level: 'error', fields, message })
  }

  at(level: LogLine['level']): LogLine[] {
    return this.lines.filter((line) => line.level === level)
  }

  /** The first line of `level`, now or later. */
  first(level: LogLine['level']): Promise<LogLine> {
    const line = this.at(level)[0]
    if (line !== undefined) return Promise.resolve(line)
    return new Promise((resolve) => this.#waiting.push({ level, resolve }))
  }

  #add(line: LogLine): void {
    this.lines.push(line)
    this.#waiting = this.#waiting.filter(({ level, resolve }) => {
      if (level !== line.level) return true
      resolve(line)
      return false
    })
  }
}
