import type { Logger } from '../../src/base/logger.ts'

/** A logger that keeps what it was warned of. */
export function recordingLogger(warnings: string[]): Logger {
  const keep = (_fields: Record<string, unknown>, message: string): void => {
    warnings.push(message)
  }
  return { debug() {}, info() {}, warn: keep, error: keep }
}
