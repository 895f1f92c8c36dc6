/**
 * Goal: a data directory may be named in every usual way, and what names none is refused.
 * Method: the real disk, in temporary directories; a child process where the working directory changes.
 */
import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { repairStore } from '../../src/store/repair-store.ts'
import { openStore } from '../../src/store/store.ts'
import { verifyStore } from '../../src/store/verify-store.ts'
import { withTemporaryDirectory } from '../support/temporary-directory.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const library = pathToFileURL(`${root}/dist/public.js`).href

describe('the path of a data directory', () => {
  it('may be a URL object', async () => {
    await withTemporaryDirectory(async (directory) => {
      const url = pathToFileURL(`${directory}/my data`)
      const store = await openStore(url)
      expect(store.path).toBe(`${directory}/my data`)
      await (await store.log('t')).append('a')
      await store.close()
      expect((await verifyStore(url)).recordCount).toBeGreaterThan(0)
      expect((await repairStore(url)).actions).toEqual([])
    })
  })

  it.each([
    ['nothing', undefined],
    ['an empty string', ''],
    ['a NUL character', 'a\0b'],
    ['the text of a URL', 'file:///tmp/data'],
    ['a URL of another kind', new URL('https://log.test/data')],
    ['a URL of another machine', new URL('file://log.test/data')],
    ['a URL with a NUL character', new URL('file:///tmp/a%00b')],
    ['a URL with an escaped slash', new URL('file:///tmp/a%2Fb')],
    ['an object', {}],
  ])('is not %s', async (_, path) => {
    const refused = { code: 'ERR_OPTION_INVALID', option: 'path' }
    for (const call of [openStore, verifyStore, repairStore]) {
      await expect((async () => call(path as never))()).rejects.toMatchObject(refused)
    }
  })

  it('means the same when the process goes to another directory', async () => {
    await withTemporaryDirectory(async (directory) => {
      const program = `
        import { openStore } from ${JSON.stringify(library)}
        const store = await openStore('data', { config: { 'segment.bytes': '1024' } })
        process.chdir('/')
        const log = await store.log('t')
        for (let i = 0; i < 20; i++) await log.append('x'.repeat(200))
        log.trim(10)
        await store.close()
        console.log(store.path)`
      const args = ['--input-type=module', '--eval', program]
      const said = await new Promise((resolve) => {
        execFile(process.execPath, args, { cwd: directory }, (error, out) => {
          resolve(`${error?.code ?? 0} ${out}`)
        })
      })
      expect(said).toBe(`0 ${directory}/data\n`)
      const store = await openStore(`${directory}/data`)
      const log = await store.log('t')
      expect([log.startOffset, log.endOffset]).toEqual([10, 20])
      await store.close()
    })
  })
})
