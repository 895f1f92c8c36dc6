/**
 * `npm run crash:full`: a file system that runs full under a store and the server on it, and gets
 * room again, several times in the life of one process.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statfsSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { mebibyte } from '../src/base/units.ts'
import type { SimRandom } from '../src/platform/sim-random.ts'
import { openStore, type Store } from '../src/public.ts'
import { type LogServer, serve } from '../src/public-server.ts'
import { command, requireTools } from './support/command.ts'
import { type CrashRun, crashMain } from './support/crash-run.ts'
import { FullDiskLoad } from './support/full-disk-load.ts'
import { afterKill } from './support/log-model.ts'
import { type FileSystemKind, LoopImage, requireImages } from './support/loop-image.ts'
import { strangeFiles } from './support/plain-format.ts'
import { readServer } from './support/read-server.ts'
import { readStore } from './support/read-store.ts'

const help = `Usage: npm run crash:full -- [options]

Fills a loop-mounted file system under an embedded store and a server on it, and checks: appends
reject with a typed error, what was acknowledged can be read and made durable, and writing goes on
once there is room, without a restart. Needs root and Debian's xfsprogs and e2fsprogs.

  --cycles <n>    images, each filled more than once             (12)
  --minutes <n>   ends after this time; without --cycles only the time counts
  --seed <n>      makes the same choices again
  --fs <kind>     ext4 or xfs alone

Exit codes: 0 nothing lost, 1 something was, 2 usage, 3 not run.`

/** One too small for much of anything, one usual; the smallest xfs that mkfs makes is 300 MB. */
const images: readonly { readonly kind: FileSystemKind; readonly mebibytes: number }[] = [
  { kind: 'ext4', mebibytes: 32 },
  { kind: 'ext4', mebibytes: 160 },
  { kind: 'xfs', mebibytes: 320 },
]
const checkpointIntervalMs = 40
const fillsPerImage = 3
/** What the ballast leaves for the store to fill itself. */
const maxRoomMebibytes = 6

class FullDisk {
  readonly #run: CrashRun
  readonly #image: LoopImage
  readonly #random: SimRandom
  readonly #directory: string
  readonly #ballast: string
  readonly #load: FullDiskLoad
  readonly faults: string[] = []
  records = 0
  #store!: Store
  #server!: LogServer

  constructor(run: CrashRun, image: LoopImage, random: SimRandom) {
    this.#run = run
    this.#image = image
    this.#random = random
    this.#directory = join(image.mountPoint, 'data')
    this.#ballast = join(image.mountPoint, 'ballast')
    this.#load = new FullDiskLoad(random, this.faults)
  }

  async live(): Promise<void> {
    await this.#open()
    await this.#load.createTopics(this.#store)
    await this.#load.append(this.#store, this.#server, 20)
    for (let fill = 0; fill < fillsPerImage && !this.#run.hasFaults; fill++) {
      const isLast = fill === fillsPerImage - 1
      await this.#load.appendForLater(this.#store)
      this.#takeRoom()
      await this.#load.fill(this.#store, this.#server)
      await this.#whileFull()
      if (isLast && this.#random.chance(0.5)) await this.#restartWhileFull()
      else {
        this.#giveRoom()
        await this.#load.append(this.#store, this.#server, 10)
      }
      await this.#check(`after fill ${fill}`)
    }
    await this.#closeCleanly()
  }

  async #open(): Promise<void> {
    this.#store = await openStore(this.#directory, {
      checkpointIntervalMs,
      config: { 'segment.bytes': String(mebibyte), 'index.interval.bytes': '1024' },
    })
    this.#server = await serve(this.#store, { port: 0 })
  }

  /** Leaves a few mebibytes, sometimes less than one. */
  #takeRoom(): void {
    command('sync', '-f', this.#image.mountPoint)
    const { bavail, bsize } = statfsSync(this.#image.mountPoint)
    const room = this.#random.below(maxRoomMebibytes * mebibyte)
    // The file system needs some of what it calls free for itself: a little less until it fits.
    let ballastBytes = Math.floor(bavail * bsize - room)
    for (; ballastBytes > 0; ballastBytes -= mebibyte) {
      try {
        command('fallocate', '-l', String(ballastBytes), this.#ballast)
        return
      } catch (error) {
        if (!(error as Error).message.includes('No space left')) throw error
      }
    }
  }

  #giveRoom(): void {
    rmSync(this.#ballast, { force: true })
    // Removed blocks are free when the removal is on disk.
    command('sync', '-f', this.#image.mountPoint)
  }

  /** A store that is closed, or was not opened, has let go of every file and mapping. */
  #expectAllClosed(what: string): void {
    const held = new Set<string>()
    for (const fd of readdirSync('/proc/self/fd')) {
      // The descriptor of this very listing is gone.
      if (existsSync(`/proc/self/fd/${fd}`)) held.add(readlinkSync(`/proc/self/fd/${fd}`))
    }
    for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
      const path = line.slice(line.indexOf('/'))
      if (line.includes('/')) held.add(path)
    }
    for (const path of held) {
      if (path.startsWith(`${this.#directory}/`)) this.faults.push(`${what} keeps ${path} open`)
    }
  }

  /** All but writing goes on: reads both ways, syncs of what was written, and what makes room. */
  async #whileFull(): Promise<void> {
    await this.#load.flushOld(this.#store)
    await this.#check('while full')
    await this.#load.tryNewFiles(this.#store)
    await new Promise((resolve) => setTimeout(resolve, 2 * checkpointIntervalMs))
    await this.#load.expectKafkajsRefused(this.#server)
    await this.#load.makeRoom(this.#store)
  }

  /** Stopping and starting may fail for want of room, with a typed error, and loses nothing. */
  async #restartWhileFull(): Promise<void> {
    await this.#server.close()
    await this.#load.mayLackRoom('close', () => this.#store.close())
    this.#expectAllClosed('a close without room')
    await this.#load.mayLackRoom('open', async () => (await openStore(this.#directory)).close())
    this.#expectAllClosed('an open without room')
    this.#giveRoom()
    await this.#open()
    await this.#load.append(this.#store, this.#server, 10)
  }

  async #check(when: string): Promise<void> {
    const say = (fault: string) => this.faults.push(`${when}: ${fault}`)
    const found = await readStore(this.#store, say)
    const overWire: string[] = []
    const startOf = (log: string) => found.logs.get(log)?.start ?? 0
    const fetched = await readServer(this.#server.port, this.#load.layout, overWire, startOf)
    for (const fault of overWire) say(`by fetch: ${fault}`)
    for (const [name, log] of fetched) {
      if (log.ids.join() !== found.logs.get(name)?.ids.join())
        say(`${name}: fetch gives other records`)
    }
    const judged = this.#load.model.check(found, afterKill)
    for (const fault of judged.faults) say(fault)
    this.records += judged.records
  }

  async #closeCleanly(): Promise<void> {
    await this.#server.close()
    await this.#store.close()
    this.#expectAllClosed('a clean stop')
    if (!existsSync(join(this.#directory, '.kafka_cleanshutdown'))) {
      this.faults.push('no marker of a clean stop')
    }
    this.faults.push(...strangeFiles(this.#directory))
    await this.#open()
    if (!this.#store.wasClean) this.faults.push('the store does not say that the stop was clean')
    await this.#check('after a restart')
    await this.#server.close()
    await this.#store.close()
  }
}

async function run(crash: CrashRun): Promise<void> {
  const only = crash.choice('fs')
  const chosen = images.filter(({ kind }) => only === undefined || kind === only)
  requireImages(chosen.map(({ kind }) => kind))
  requireTools({ fallocate: 'util-linux', sync: 'coreutils' })
  const folder = resolve('.cache', 'crash-data', `full-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  crash.keepOnFault(folder)
  for (let cycle = 0; cycle < crash.cycles && !crash.isOver; cycle++) {
    const { kind, mebibytes } = chosen[cycle % chosen.length]!
    const image = new LoopImage(crash, folder, kind, mebibytes)
    const disk = new FullDisk(crash, image, crash.random('full', cycle))
    try {
      await disk.live()
    } finally {
      crash.found(`cycle ${cycle}, ${kind} of ${mebibytes} MiB`, disk.faults)
    }
    await image.remove()
    crash.cycleDone(`${kind} ${mebibytes} MiB`, disk.records, crash.cycles)
  }
}

await crashMain({
  name: 'crash:full',
  help,
  defaultCycles: 12,
  choices: { fs: ['ext4', 'xfs'] },
  run,
})
