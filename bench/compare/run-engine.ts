/**
 * One engine, one workload, one process:
 *
 *     node run-engine.js <engine> <directory> <workload as JSON>
 *
 * Prints the measures as one line of JSON.
 */
import { type NodeEngineName, nodeEngineNames } from './engine.ts'
import { measure, type Workload } from './workload.ts'

const [name, directory, workload] = process.argv.slice(2)
if (
  !nodeEngineNames.includes(name as NodeEngineName) ||
  directory === undefined ||
  workload === undefined
) {
  throw new Error('usage: node run-engine.js <engine> <directory> <workload as JSON>')
}
const measures = await measure(name as NodeEngineName, directory, JSON.parse(workload) as Workload)
console.log(JSON.stringify(measures))
