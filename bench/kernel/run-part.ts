/**
 * One measurement, one process:
 *
 *     node [--expose-gc] run-part.js <part> <directory> <input as JSON>
 *
 * Prints what it measured as one line of JSON; `dirty` goes on until it is killed.
 */
import { type AtomicLoad, measureAtomic } from './atomic-group.ts'
import {
  type AppendTurns,
  createLogs,
  dirtyAll,
  type ManyLogsLoad,
  measureAppends,
  measureOpen,
  measureRecovery,
} from './many-logs.ts'

const [part, directory, text] = process.argv.slice(2)
if (directory === undefined || text === undefined) {
  throw new Error('usage: node run-part.js <part> <directory> <input as JSON>')
}
const print = (value: unknown) => console.log(JSON.stringify(value))
const input = JSON.parse(text)
switch (part) {
  case 'create':
    print(await createLogs(directory, input as ManyLogsLoad))
    break
  case 'open': {
    const { load, earlierOpenings } = input as { load: ManyLogsLoad; earlierOpenings: number }
    print(await measureOpen(directory, load, earlierOpenings))
    break
  }
  case 'appends': {
    const { load, turns } = input as { load: ManyLogsLoad; turns: AppendTurns }
    print(await measureAppends(directory, load, turns))
    break
  }
  case 'dirty':
    await dirtyAll(directory, input as ManyLogsLoad)
    print({ isDirty: true })
    setInterval(() => {}, 1000)
    break
  case 'recovery':
    print(await measureRecovery(directory, input as ManyLogsLoad))
    break
  case 'atomic':
    print(await measureAtomic(directory, input as AtomicLoad))
    break
  default:
    throw new Error(`no part ${part}`)
}
