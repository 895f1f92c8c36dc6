import { StorageError } from '../base/errors.ts'

/**
 * What an operating-system failure becomes for the floors above: a `StorageError` naming operation,
 * path and errno. An error that no system call made is a bug of ours and stays what it is.
 */
export function storageFailure(operation: string, path: string, error: unknown): unknown {
  const errno = (error as NodeJS.ErrnoException | undefined)?.code
  if (!isErrno(errno)) return error
  return new StorageError({ operation, path, errno }, { cause: error })
}

function isErrno(code: unknown): code is string {
  return typeof code === 'string' && code.startsWith('E') && !code.startsWith('ERR_')
}
