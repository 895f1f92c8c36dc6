import { LogError } from '../../src/public.ts'
import { report } from './report-lines.ts'

/** Tells of a failed call. Whether its error is one of those that callers may expect is judged. */
export function reportError(log: string, error: unknown): void {
  const isTyped = error instanceof LogError
  const { message, stack } = error instanceof Error ? error : { message: String(error), stack: '' }
  const text = isTyped ? message : (stack ?? message)
  report('error', isTyped, isTyped ? error.code : '-', log, text.replaceAll('\n', ' ⏎ '))
}
