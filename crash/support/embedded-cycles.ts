/** An embedded worker killed again and again on one directory. */
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { CrashRun } from './crash-run.ts'
import { afterKill } from './log-model.ts'
import { strangeFiles } from './plain-format.ts'
import { StoreModel } from './store-model.ts'
import { WorkerProcess } from './worker-process.ts'

/** A directory is used this often before the next begins, so that checks stay short. */
const cyclesPerDirectory = 20
const maxAcksBeforeKill = 400

export async function killEmbedded(run: CrashRun, directory: string): Promise<void> {
  let model = newModel()
  let wasStopped = true
  for (let cycle = 0; cycle < run.cycles && !run.isOver; cycle++) {
    const random = run.random('embedded', cycle)
    const where = `embedded cycle ${cycle}`
    const place = cycle % cyclesPerDirectory
    if (place === 0) {
      rmSync(directory, { recursive: true, force: true })
      mkdirSync(directory, { recursive: true })
      model = newModel()
      wasStopped = false
    }
    const seed = random.next()
    const worker = new WorkerProcess({ directory, seed, life: cycle, model, survivors: afterKill })
    const endRun = run.onEnd(() => void worker.kill())
    const isLast = place === cyclesPerDirectory - 1 || cycle === run.cycles - 1
    if (random.chance(0.1) && !isLast) {
      // In the middle of start or recovery.
      await new Promise((resolve) => setTimeout(resolve, 50 + random.below(150)))
      await worker.kill()
    } else {
      await worker.loaded
      if (worker.report.wasClean !== wasStopped) {
        worker.report.faults.push(
          `the last stop was ${wasStopped ? '' : 'not '}clean; it says otherwise`,
        )
      }
      await worker.acks(1 + random.below(maxAcksBeforeKill))
      await new Promise((resolve) => setTimeout(resolve, random.below(15)))
      await (isLast ? worker.stop() : worker.kill())
    }
    wasStopped = worker.report.isClosed
    if (isLast) worker.report.faults.push(...(await checkStopped(run, directory, cycle, model)))
    endRun()
    run.found(where, [
      ...worker.report.faults,
      ...worker.report.errors.map((error) => `rejected: ${error}`),
    ])
    run.cycleDone('embedded kill', worker.report.recordCount, run.cycles)
  }
}

/** After a clean stop: the marker is there, the files are Kafka's, and all can be read. */
async function checkStopped(
  run: CrashRun,
  directory: string,
  cycle: number,
  model: StoreModel,
): Promise<string[]> {
  const faults = strangeFiles(directory)
  if (!existsSync(join(directory, '.kafka_cleanshutdown'))) faults.push('no marker of a clean stop')
  const seed = run.random('reader', cycle).next()
  const life = cycle + 0.5
  const reader = new WorkerProcess({ directory, seed, life, model, survivors: afterKill })
  await reader.loaded
  await reader.stop()
  if (!reader.report.wasClean) faults.push('the store does not say that the stop was clean')
  return [...faults, ...reader.report.faults, ...reader.report.errors]
}

function newModel(): StoreModel {
  return new StoreModel((topic) => !topic.startsWith('churn'))
}
