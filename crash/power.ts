/**
 * `npm run crash:power`: power loss on real file systems. An embedded store works on a loop-mounted
 * ext4 or xfs; the file system is shut down by its own ioctl, which drops everything that was not
 * written to the device, its journal included; then it is mounted again and the store opened.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { command, requireTools } from './support/command.ts'
import { type CrashRun, crashMain } from './support/crash-run.ts'
import { afterPowerLoss } from './support/log-model.ts'
import { type FileSystemKind, LoopImage, requireImages } from './support/loop-image.ts'
import { monotonicUs } from './support/report-lines.ts'
import { StoreModel } from './support/store-model.ts'
import { WorkerProcess } from './support/worker-process.ts'

const help = `Usage: npm run crash:power -- [options]

Works on a loop-mounted ext4 and xfs, cuts the power (xfs_io -x -c shutdown, which drops all that
was not synced), mounts again and checks that nothing acknowledged at disk is lost and that each log
is a prefix of what was sent. Needs root and Debian's xfsprogs and e2fsprogs.

  --cycles <n>    power cuts, half of them on each file system   (200)
  --minutes <n>   ends after this time; without --cycles only the time counts
  --seed <n>      makes the same choices again; when things happen is still the machine's affair
  --fs <kind>     ext4 or xfs alone

Exit codes: 0 nothing lost, 1 something was, 2 usage, 3 not run.`

const kinds: readonly FileSystemKind[] = ['ext4', 'xfs']
/** The smallest xfs that mkfs makes is 300 MB. */
const imageMebibytes = 320
/** A file system is used this often before the next is made, so that checks stay short. */
const cyclesPerImage = 20
const maxAcksBeforeCut = 500

async function run(crash: CrashRun): Promise<void> {
  const only = crash.choice('fs') as FileSystemKind | undefined
  const chosen = only === undefined ? kinds : [only]
  requireImages(chosen)
  requireTools({ xfs_io: 'xfsprogs' })
  const folder = join('.cache', 'crash-data', `power-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  crash.keepOnFault(folder)
  // Rounded up, so that one cycle is one on each.
  const cycles = Math.ceil(crash.cycles / chosen.length)
  await Promise.all(chosen.map((kind) => cutPower(crash, folder, kind, cycles)))
}

async function cutPower(
  crash: CrashRun,
  folder: string,
  kind: FileSystemKind,
  cycles: number,
): Promise<void> {
  let droppedCount = 0
  let lateCount = 0
  for (let first = 0; first < cycles && !crash.isOver; first += cyclesPerImage) {
    const image = new LoopImage(crash, folder, kind, imageMebibytes)
    const model = new StoreModel((topic) => !topic.startsWith('churn'))
    const end = Math.min(first + cyclesPerImage, cycles)
    for (let cycle = first; cycle < end && !crash.isOver; cycle++) {
      await oneCut(crash, image, model, cycle)
      crash.cycleDone(`${kind} power`, 0, cycles)
    }
    // What the last cut has left.
    const directory = join(image.mountPoint, 'data')
    const options = { directory, seed: 0, life: end, model, survivors: afterPowerLoss }
    const reader = new WorkerProcess(options)
    await reader.loaded
    await reader.stop()
    judge(crash, `${kind} after the last cycle`, reader, reader.report.errors)
    droppedCount += model.droppedCount('os')
    lateCount += model.droppedCount('memory')
    await image.remove()
  }
  crash.say(
    `${kind}: the cuts dropped ${droppedCount} records acknowledged at os only, as they may, ` +
      `and ${lateCount} acknowledged while the power was going`,
  )
  // A cut that never takes anything away proves nothing about what stays.
  if (cycles >= cyclesPerImage && droppedCount === 0 && !crash.isOver) {
    crash.found(kind, ['no cut dropped anything: they were no power cuts'])
  }
}

async function oneCut(
  crash: CrashRun,
  image: LoopImage,
  model: StoreModel,
  cycle: number,
): Promise<void> {
  const random = crash.random(image.kind, cycle)
  const directory = join(image.mountPoint, 'data')
  const seed = random.next()
  const options = { directory, seed, life: cycle, model, survivors: afterPowerLoss }
  const worker = new WorkerProcess(options)
  const forget = crash.onEnd(() => void worker.kill())
  // Some cuts come while the store opens and recovers.
  if (cycle > 0 && random.chance(0.1)) {
    await new Promise((resolve) => setTimeout(resolve, 50 + random.below(150)))
  } else {
    await worker.loaded
    await worker.acks(1 + random.below(maxAcksBeforeCut))
    await new Promise((resolve) => setTimeout(resolve, random.below(25)))
  }
  const errorsBefore = [...worker.report.errors]
  // Without -f: what the journal has not written yet is dropped too, as by a power cut.
  worker.report.cutUs = monotonicUs()
  command('xfs_io', '-x', '-c', 'shutdown', image.mountPoint)
  // Goes on for a moment: what it is told now must not be a false acknowledgement.
  await new Promise((resolve) => setTimeout(resolve, random.below(15)))
  await worker.kill({ mayHaveEnded: true })
  await image.unmount()
  image.mount()
  forget()
  judge(crash, `${image.kind} cycle ${cycle}`, worker, errorsBefore)
}

/** Errors before the cut are faults; after it they only have to be of a known kind. */
function judge(
  crash: CrashRun,
  where: string,
  worker: WorkerProcess,
  errorsBefore: readonly string[],
): void {
  crash.checked(worker.report.recordCount)
  crash.found(where, [
    ...worker.report.faults,
    ...errorsBefore.map((error) => `rejected: ${error}`),
    ...worker.report.untypedErrors.map((error) => `not a typed error: ${error}`),
  ])
}

await crashMain({
  name: 'crash:power',
  help,
  defaultCycles: 200,
  choices: { fs: ['ext4', 'xfs'] },
  run,
})
