/** Checks a whole data directory, without changing anything in it. */
import { StoreFormatError } from '../base/errors.ts'
import {
  functionOption,
  implementationOption,
  knownOptions,
  pathOption,
} from '../base/option-fields.ts'
import type { FileSystem } from '../platform/file-system.ts'
import { nodeFileSystem } from '../platform/node-file-system.ts'
import type { Finding } from './finding.ts'
import { type CheckProgress, inspectStore } from './store-inspection.ts'

export type VerifyOptions = {
  /** Called now and then; the event loop gets a turn after each call. */
  readonly onProgress?: (progress: CheckProgress) => void
  readonly fileSystem?: FileSystem
}

export type VerifyReport = {
  /** Nothing in `findings` is damage. */
  readonly isWhole: boolean
  /** The last stop was clean. */
  readonly isClean: boolean
  /** Damage first; within that by log and place. */
  readonly findings: readonly Finding[]
  /** What was read: partition directories, the store's own log included. */
  readonly logCount: number
  readonly segmentCount: number
  readonly batchCount: number
  readonly recordCount: number
  /** Bytes of `.log` files that were read. */
  readonly checkedBytes: number
}

/**
 * Reads every byte of the data directory at `directory` and reports what is wrong: each batch (size,
 * format, checksum, offsets, leader epoch, every record decompressed and decoded), the borders of
 * segments, both indexes, snapshots of producers and tables, leader epochs, checkpoints,
 * `meta.properties`, topic ids and the store's own table.
 *
 * Changes nothing but `.lock`, which is held meanwhile. After an unclean stop, what recovery will
 * deal with is a note, not damage. Cost: the directory is read once, at the speed of decoding.
 *
 * @throws (rejects) StoreLockedError (the directory is in use), StoreFormatError (there is no such
 *         directory), StorageError (what belongs to all logs cannot be read), InvalidOptionError.
 */
export async function verifyStore(
  directory: string | URL,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  knownOptions('verifyStore', options, ['onProgress', 'fileSystem'])
  const path = pathOption('path', directory)
  const fileSystem = fileSystemOption(options.fileSystem)
  const onProgress = functionOption('onProgress', options.onProgress ?? (() => {}))
  return withLock(fileSystem, path, async () => {
    const inspection = await inspectStore(fileSystem, path, onProgress)
    const logs = [inspection.systemLog, ...inspection.logs]
    const segments = logs.flatMap((log) => log.segments)
    const isDamage = ({ severity }: Finding) => severity === 'damage'
    const { isClean, checkedBytes } = inspection
    return {
      isWhole: !inspection.findings.some(isDamage),
      isClean,
      findings: [
        ...inspection.findings.filter(isDamage),
        ...inspection.findings.filter((finding) => !isDamage(finding)),
      ],
      logCount: logs.filter(({ exists }) => exists).length,
      segmentCount: segments.length,
      batchCount: segments.reduce((sum, { batchCount }) => sum + batchCount, 0),
      recordCount: segments.reduce((sum, { recordCount }) => sum + recordCount, 0),
      checkedBytes,
    }
  })
}

export function fileSystemOption(fileSystem: FileSystem | undefined): FileSystem {
  return implementationOption('fileSystem', fileSystem, {
    default: nodeFileSystem,
    methods: ['open', 'lockDirectory'],
  })
}

/** Runs `task` while no other process can use the data directory. */
export async function withLock<Result>(
  fileSystem: FileSystem,
  path: string,
  task: () => Promise<Result>,
): Promise<Result> {
  // Locking makes a file in the directory: one that is no data directory must not get it.
  if (fileSystem.stat(path)?.kind !== 'directory') {
    throw new StoreFormatError({ path, reason: 'is no data directory' })
  }
  const lock = fileSystem.lockDirectory(path)
  try {
    return await task()
  } finally {
    lock.release()
  }
}
