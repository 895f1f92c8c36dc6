/**
 * One engine, one workload, one process:
 *
 *     node run-engine.js <engine> <directory> <workload as JSON>
 *
 * Prints the measures as one line of JSON.
 */
import { type EngineName, engineNames } from './engine.ts'
import { measure, type Workload } from './workload.ts'

const [name, directory, workload] = process.argv.slice(2)
if (
  !engineNames.includes(name as EngineName) ||
  directory === undefined ||
  workload === undefined
) {
  throw new Error('usage: node run-engine.js <engine> <directory> <workload as JSON>')
}
const measures = await measure(name as EngineName, directory, JSON.parse(workload) as Workload)
console.log(JSON.stringify(measures))
