/** The workload on Chronicle Queue, in a JVM of its own. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '../../support/machine.ts'
import { type Measures, occupied, type Workload } from '../workload.ts'

/** What Java 17 must open for Chronicle's access to memory and files. */
const openings = [
  '--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED',
  '--add-exports=java.base/sun.nio.ch=ALL-UNNAMED',
  '--add-exports=jdk.unsupported/sun.misc=ALL-UNNAMED',
  '--add-exports=jdk.compiler/com.sun.tools.javac.file=ALL-UNNAMED',
  '--add-opens=java.base/java.lang=ALL-UNNAMED',
  '--add-opens=java.base/java.lang.reflect=ALL-UNNAMED',
  '--add-opens=java.base/java.io=ALL-UNNAMED',
  '--add-opens=java.base/java.util=ALL-UNNAMED',
]

/** The measures, or why there are none. */
export function runChronicle(
  directory: string,
  workload: Workload,
  timeoutMs: number,
): Measures | string {
  const installed = join(repositoryRoot(), '.cache', 'chronicle')
  if (spawnSync('java', ['-version'], { stdio: 'ignore' }).error !== undefined) {
    return 'not run: no java'
  }
  if (!existsSync(join(installed, '.installed'))) {
    return 'not run: not installed (that needs javac, mvn and Maven Central)'
  }
  const { records, valueBytes, batchRecords, warmUpBatches, singleAppends } = workload
  const { randomReads, steadyMs } = workload
  const sizes = [records, valueBytes, batchRecords, warmUpBatches, singleAppends]
  const numbers = [...sizes, randomReads, steadyMs]
  const args = [
    ...openings,
    // It would tell its makers of every start.
    '-Dchronicle.analytics.disable=true',
    '-cp',
    `${join(installed, 'classes')}:${join(installed, 'lib', '*')}`,
    'ChronicleRun',
    directory,
    ...numbers.map(String),
  ]
  const { status, stdout, stderr } = spawnSync('java', args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
  })
  if (status !== 0) return stderr.split('\n')[0] || `took over ${timeoutMs} ms`
  const { appended, ...measures } = JSON.parse(stdout) as Measures & { appended: number }
  return { ...measures, diskBytesPerRecord: occupied(directory) / appended }
}
