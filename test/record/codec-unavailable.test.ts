/**
 * Goal: an installation without a codec's package says so, and takes no whole batch for a damaged one:
 * a repair that did would take it out.
 * Method: a process that loads no native packages, over a directory written by one that does.
 */
import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { CodecUnavailableError } from '../../src/base/errors.ts'
import { brokenData, codecPackage } from '../../src/record/codec/codec.ts'
import { openStore } from '../../src/store/store.ts'
import { verifyStore } from '../../src/store/verify-store.ts'
import { withTemporaryDirectory } from '../support/temporary-directory.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const library = pathToFileURL(`${root}/dist/public.js`).href
const codecs = ['lz4', 'snappy'] as const

describe('a codec without its package', () => {
  it('says which, and why, and is loaded once it is there', () => {
    const load = codecPackage('zip', 'stratalog-no-such-package')
    expect(load).toThrow(CodecUnavailableError)
    expect(load).toThrow(/codec zip cannot be used: the package stratalog-no-such-package/)
    const error = new CodecUnavailableError({ codec: 'zip', package: 'x' })
    // Not the data's fault, wherever it is caught.
    expect(brokenData('zip', error)).toBe(error)
    expect(codecPackage<typeof import('node:path')>('path', 'node:path')().sep).toBeDefined()
  })

  it('refuses appends and reads, verify calls the log unreadable, and repair changes nothing', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory)
      for (const compression of codecs) {
        const log = await store.log(compression)
        await log.append(['a'.repeat(100), 'b'.repeat(100)], { compression })
      }
      await (await store.log('plain')).append('c')
      await store.close()
      expect(await inBareProcess(directory)).toEqual({
        findings: ['lz4-0 unreadable', 'snappy-0 unreadable'],
        repair: 'ERR_CODEC_UNAVAILABLE',
        lz4: ['ERR_CODEC_UNAVAILABLE', 'ERR_CODEC_UNAVAILABLE'],
        snappy: ['ERR_CODEC_UNAVAILABLE', 'ERR_CODEC_UNAVAILABLE'],
        plain: 'c',
      })
      expect(await verifyStore(directory)).toMatchObject({ isWhole: true })
      const again = await openStore(directory)
      for (const codec of codecs) {
        const values: string[] = []
        for await (const { value } of (await again.log(codec)).read()) values.push(String(value))
        expect(values).toEqual(['a'.repeat(100), 'b'.repeat(100)])
      }
      await again.close()
    })
  })
})

/** What a process says of the directory that has no native package. */
async function inBareProcess(directory: string): Promise<unknown> {
  const program = `
    import { openStore, repairStore, verifyStore } from ${JSON.stringify(library)}
    const directory = ${JSON.stringify(directory)}
    const outcome = (promise) => promise.then((value) => value, (error) => error.code)
    const first = async (log) => { for await (const { value } of log.read()) return String(value) }
    const { findings } = await verifyStore(directory)
    const said = {
      findings: findings.map(({ log, kind }) => log + ' ' + kind).sort(),
      repair: await outcome(repairStore(directory, { apply: true })),
    }
    const store = await openStore(directory)
    for (const compression of ['lz4', 'snappy']) {
      const log = await store.log(compression)
      said[compression] = [await outcome(first(log)), await outcome(log.append('x', { compression }))]
    }
    said.plain = await first(await store.log('plain'))
    await store.close()
    console.log(JSON.stringify(said))`
  const args = ['--no-addons', '--input-type=module', '--eval', program]
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, (error, out, err) => {
      if (error === null) resolve(JSON.parse(out))
      else reject(new Error(err))
    })
  })
}
