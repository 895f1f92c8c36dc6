/** A file system of its own in an image file, mounted through a loop device. Needs root. */
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { mebibyte } from '../../src/base/units.ts'
import { command, requireRoot, requireTools } from './command.ts'
import { type CrashRun, NotRunError } from './crash-run.ts'

export type FileSystemKind = 'ext4' | 'xfs'

/** No blocks set aside for root, so that full means full; no lazy work behind the test's back. */
const makers: Readonly<Record<FileSystemKind, readonly string[]>> = {
  ext4: ['mkfs.ext4', '-q', '-F', '-m', '0', '-E', 'lazy_itable_init=0,lazy_journal_init=0'],
  xfs: ['mkfs.xfs', '-q', '-f'],
}

/** How often an unmount is tried while something still uses the file system, 50 ms apart. */
const unmountTries = 100

/** Throws NotRunError when images of these kinds cannot be used here. */
export function requireImages(kinds: readonly FileSystemKind[]): void {
  requireRoot('to mount loop devices')
  requireTools({
    mount: 'mount',
    umount: 'mount',
    losetup: 'mount',
    ...(kinds.includes('ext4') ? { 'mkfs.ext4': 'e2fsprogs' } : {}),
    ...(kinds.includes('xfs') ? { 'mkfs.xfs': 'xfsprogs' } : {}),
  })
}

export class LoopImage {
  readonly kind: FileSystemKind
  readonly mountPoint: string
  readonly #run: CrashRun
  readonly #path: string
  readonly #forget: () => void
  #isMounted = false

  /** Makes an image of `sizeMebibytes`, formats and mounts it; undone when the run ends. */
  constructor(run: CrashRun, folder: string, kind: FileSystemKind, sizeMebibytes: number) {
    this.kind = kind
    this.#run = run
    this.#path = join(folder, `${kind}.img`)
    this.mountPoint = join(folder, kind)
    mkdirSync(this.mountPoint, { recursive: true })
    const file = openSync(this.#path, 'w')
    ftruncateSync(file, sizeMebibytes * mebibyte)
    closeSync(file)
    this.#forget = run.onEnd(() => this.#undo())
    const [tool, ...options] = makers[kind]
    command(tool!, ...options, this.#path)
    try {
      this.mount()
    } catch (error) {
      throw new NotRunError((error as Error).message)
    }
  }

  mount(): void {
    command('mount', '-o', 'loop', this.#path, this.mountPoint)
    this.#isMounted = true
  }

  /** The loop device goes with the mount. */
  async unmount(): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        command('umount', this.mountPoint)
        break
      } catch (error) {
        if (tries === unmountTries) throw error
        // A process that was just killed may still be letting go of its files.
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    this.#isMounted = false
  }

  async remove(): Promise<void> {
    await this.unmount()
    this.#forget()
    this.#undo()
  }

  /** Lazily where it is still in use, so that nothing stays mounted whatever happened. */
  #undo(): void {
    if (this.#isMounted) command('umount', '-l', this.mountPoint)
    this.#isMounted = false
    // The image of a run that found something can be mounted again and looked at.
    if (!this.#run.hasFaults) rmSync(this.#path, { force: true })
    rmSync(this.mountPoint, { recursive: true, force: true })
  }
}
