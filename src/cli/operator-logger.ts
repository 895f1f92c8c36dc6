/** The server's log: pino's JSON lines on stderr, one per event, written at once. */
import { createRequire } from 'node:module'
import type { Logger } from '../base/logger.ts'
import { LogOutput } from '../platform/log-output.ts'

type Pino = (options: object, stream: LogOutput) => Logger

/** pino is CommonJS; required here so that other commands do not pay for loading it. */
export function operatorLogger(level: string): Logger {
  const pino = createRequire(import.meta.url)('pino') as Pino
  return pino({ level, base: null }, new LogOutput(2))
}
