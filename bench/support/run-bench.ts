/**
 * Runs one compiled bench file at full size: `node run-bench.js <file>`. What `run` returns is
 * printed as a table, unless the bench printed its own and returned nothing.
 */
import { pathToFileURL } from 'node:url'
import { machineLine } from './machine.ts'
import { printTable } from './table.ts'

type BenchModule = { run(options: { tiny: boolean }): unknown }

const [path] = process.argv.slice(2)
if (path === undefined) throw new Error('usage: node run-bench.js <compiled bench file>')

console.log(machineLine())
const bench = (await import(pathToFileURL(path).href)) as BenchModule
const rows = await bench.run({ tiny: false })
if (Array.isArray(rows)) printTable(rows as Record<string, unknown>[])
