/**
 * What a worker tells the process that judges it: lines of space-separated fields, written with one
 * synchronous write each before the worker goes on, so that a killed worker has said what it knew.
 *
 *     opened <wasClean>                     the store is open
 *     topic <name>                          it holds this topic
 *     log <name> <start>                    what follows are the records of this log, all of them
 *     ids <id> …
 *     found                                 everything there was has been reported
 *     loaded                                work begins
 *     trim <log> <to>                       is about to trim
 *     ack <log> <level> <offset> <source> <number> <count> <isOneBatch> <monotonic µs>
 *     create <topic>, created <topic>, delete <topic>, deleted <topic>
 *     error <isTyped> <code> <log> <message…>
 *     fault <message…>                      something read was not what it has to be
 *     closed                                the store was closed cleanly
 */
import { writeSync } from 'node:fs'

/** Where the worker's end of the pipe, or its report file, is. */
const reportFd = 3

/** Time on the clock that all processes of this machine share. */
export function monotonicUs(): number {
  return Number(process.hrtime.bigint() / 1000n)
}

export function report(...fields: readonly (string | number | boolean)[]): void {
  const bytes = Buffer.from(`${fields.join(' ')}\n`)
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(reportFd, bytes, at)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}
