import { constants } from 'node:os'
import { StorageError } from '../base/errors.ts'

/**
 * What an operating-system failure becomes for the floors above: a `StorageError` naming operation,
 * path and errno. An error that no system call made is a bug of ours and stays what it is.
 */
export function storageFailure(operation: string, path: string, error: unknown): unknown {
  const errno = errnoOf(error as Partial<NodeJS.ErrnoException> | undefined)
  if (errno === undefined) return error
  return new StorageError({ operation, path, errno }, { cause: error })
}

function errnoOf(error: Partial<NodeJS.ErrnoException> | undefined): string | undefined {
  const code = error?.code
  if (typeof code !== 'string') return undefined
  // Node's permission model, which asks before any system call.
  if (code === 'ERR_ACCESS_DENIED') return 'EACCES'
  if (/^E(?!RR_)[A-Z0-9]+$/.test(code)) return code
  // libuv has no name for some, EDQUOT and ESTALE among them: "Unknown system error -122".
  if (!code.startsWith('Unknown system error') || error?.errno === undefined) return undefined
  const number = -error.errno
  const known = Object.entries(constants.errno).find(([, value]) => value === number)
  return known?.[0] ?? `errno ${number}`
}

/** There is no such file: whoever wanted it gone has what he wanted. */
export function isGone(error: unknown): boolean {
  return error instanceof StorageError && error.errno === 'ENOENT'
}

/** What stands at that place of the disk cannot be had, whoever asks: other files may be whole. */
export function isMediaFailure(error: unknown): error is StorageError {
  return error instanceof StorageError && mediaErrnos.has(error.errno)
}

/** A bad sector, or metadata that the file system takes for damaged (EUCLEAN, EBADMSG). */
const mediaErrnos: ReadonlySet<string> = new Set(['EIO', 'EUCLEAN', 'EBADMSG'])

/** The process, or the system, can open nothing more: nothing else went wrong, and it may be over soon. */
export function isOutOfDescriptors(error: unknown): boolean {
  return error instanceof StorageError && (error.errno === 'EMFILE' || error.errno === 'ENFILE')
}
