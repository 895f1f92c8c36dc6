/** The server's log: pino's JSON lines on stderr, one per event, written at once. */
import { createRequire } from 'node:module'
import type { Logger } from '../base/logger.ts'

type Pino = (options: object, stream: object) => Logger
type PinoModule = Pino & { destination(options: { fd: number; sync: boolean }): object }

/** pino is CommonJS; required here so that other commands do not pay for loading it. */
export function operatorLogger(level: string): Logger {
  const pino = createRequire(import.meta.url)('pino') as PinoModule
  return pino({ level, base: null }, pino.destination({ fd: 2, sync: true }))
}
