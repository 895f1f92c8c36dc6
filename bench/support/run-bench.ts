/**
 * Runs one compiled bench file at full size: `node run-bench.js <file> [argument …]`. What `run`
 * returns is printed as a table, unless the bench printed its own and returned nothing. Arguments go
 * to a bench that says what it takes by exporting `usage`.
 */
import { pathToFileURL } from 'node:url'
import { machineLine } from './machine.ts'
import { printTable } from './table.ts'

type BenchModule = {
  run(options: { tiny: boolean; args: readonly string[] }): unknown
  usage?: string
}

const [path, ...args] = process.argv.slice(2)
if (path === undefined) throw new Error('usage: node run-bench.js <compiled bench file>')

console.log(machineLine())
const bench = (await import(pathToFileURL(path).href)) as BenchModule
if (args.length > 0 && bench.usage === undefined) {
  throw new Error(`this bench takes no arguments: ${args.join(' ')}`)
}
const rows = await bench.run({ tiny: false, args })
if (Array.isArray(rows)) printTable(rows as Record<string, unknown>[])
