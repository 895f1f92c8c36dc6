/**
 * One measurement, one process:
 *
 *     node run-part.js <part> <directory> <input as JSON>
 *
 * Prints what it measured as one line of JSON; `recovery-write` prints how far it has come, and
 * goes on until it is killed.
 */
import { type AppendLoad, measureAppenders } from './appenders.ts'
import { type BareSyncLoad, measureBareSync } from './bare-sync.ts'
import type { DurableEngineName } from './durable-engine.ts'
import { measureOsLevel, type OsLevelLoad } from './os-level.ts'
import { measureRecovery, type WriteProgress, writeUnderLoad } from './recovery-load.ts'

const [part, directory, text] = process.argv.slice(2)
if (directory === undefined || text === undefined) {
  throw new Error('usage: node run-part.js <part> <directory> <input as JSON>')
}
const print = (value: unknown) => console.log(JSON.stringify(value))
const input = JSON.parse(text)
switch (part) {
  case 'bare-sync':
    print(await measureBareSync(directory, input as BareSyncLoad))
    break
  case 'appenders': {
    const { name, load } = input as { name: DurableEngineName; load: AppendLoad }
    print(await measureAppenders(name, directory, load))
    break
  }
  case 'os-level':
    print(await measureOsLevel(directory, input as OsLevelLoad))
    break
  case 'recovery-write':
    await writeUnderLoad(directory, (progress) => {
      print(progress)
      return true
    })
    break
  case 'recovery-open':
    print(await measureRecovery(directory, input as WriteProgress))
    break
  default:
    throw new Error(`no part ${part}`)
}
