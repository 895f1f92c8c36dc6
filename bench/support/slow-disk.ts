/**
 * A disk that is slow to read, for one process: Linux delays what it reads (cgroup v1, blkio.throttle).
 * Needs root and the whole disk, not a partition, behind the directory.
 */
import { mkdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const controller = '/sys/fs/cgroup/blkio'

export class SlowDisk {
  readonly #group: string

  /** @returns why it cannot be had here, instead of it. */
  static make(
    directory: string,
    { bytesPerSecond, readsPerSecond }: { bytesPerSecond: number; readsPerSecond: number },
  ): SlowDisk | string {
    const group = join(controller, `bench-${process.pid}`)
    try {
      const { dev } = statSync(directory)
      const device = `${(dev >>> 8) & 0xfff}:${dev & 0xff}`
      mkdirSync(group)
      const disk = new SlowDisk(group)
      writeFileSync(join(group, 'blkio.throttle.read_bps_device'), `${device} ${bytesPerSecond}`)
      writeFileSync(join(group, 'blkio.throttle.read_iops_device'), `${device} ${readsPerSecond}`)
      return disk
    } catch (error) {
      return `reads cannot be throttled here: ${(error as Error).message}`
    }
  }

  private constructor(group: string) {
    this.#group = group
  }

  /** From now on what the process reads is delayed. */
  add(pid: number): void {
    writeFileSync(join(this.#group, 'cgroup.procs'), String(pid))
  }

  /** Once all its processes have ended. */
  remove(): void {
    rmdirSync(this.#group)
  }
}
