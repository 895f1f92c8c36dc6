/** Goal: what a file operation fails with is named by its errno, whoever refused it; bugs stay bugs. */
import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { storageFailure } from '../../src/platform/storage-failure.ts'
import { withTemporaryDirectory } from '../support/temporary-directory.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const library = pathToFileURL(`${root}/dist/public.js`).href
const permission = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission'

describe('storageFailure', () => {
  it.each([
    ['ENOSPC', undefined, 'ENOSPC'],
    ['ERR_ACCESS_DENIED', undefined, 'EACCES'],
    ['Unknown system error -122', -122, 'EDQUOT'],
    ['Unknown system error -4711', -4711, 'errno 4711'],
  ])('calls %s what it is', (code, errno, expected) => {
    const cause = Object.assign(new Error('failed'), { code, errno })
    const failure = storageFailure('write', '/data/x', cause)
    expect(failure).toMatchObject({ code: 'ERR_STORAGE', errno: expected, path: '/data/x', cause })
  })

  it.each(['ERR_INVALID_ARG_TYPE', undefined])('leaves a bug with code %s alone', (code) => {
    const bug = Object.assign(new TypeError('a bug'), { code })
    expect(storageFailure('write', '/data/x', bug)).toBe(bug)
  })
})

describe('a process that may not read /proc', () => {
  it('takes a data directory all the same, as far as it may', async () => {
    await withTemporaryDirectory(async (directory) => {
      const program = `
        import { openStore } from ${JSON.stringify(library)}
        await openStore(${JSON.stringify(`${directory}/data`)}).then(
          (store) => store.close(),
          (error) => console.log(error.code, error.operation, error.errno),
        )`
      const args = [permission, `--allow-fs-read=${root}/`, `--allow-fs-read=${directory}/`]
      args.push(`--allow-fs-write=${directory}/`)
      args.push('--input-type=module', '--eval', program)
      const said = await new Promise((resolve) => {
        execFile(process.execPath, args, (_, out, err) => resolve(out === '' ? err : out))
      })
      // The lock is taken; what is missing is fsync, which the permission model keeps from JavaScript.
      expect(said).toBe('ERR_STORAGE flush EACCES\n')
    })
  })
})
