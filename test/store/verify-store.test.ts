/**
 * Goal: verify names what is wrong with file, place and offsets, changes nothing, and does not take
 * what recovery will do for damage. That it finds every damaged byte is test/crash/damage.test.ts.
 */
import { describe, expect, it } from 'vitest'
import { StorageError } from '../../src/base/errors.ts'
import type { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { findingText } from '../../src/store/finding.ts'
import { repairStore } from '../../src/store/repair-store.ts'
import { verifyStore } from '../../src/store/verify-store.ts'
import { batchPositions, filesBelow, readFile, writeFile } from '../support/damaged-disk.ts'
import { dataPath, openOn, simDisk } from '../support/log-inspection.ts'
import { makeSmallStore, openSmall } from '../support/small-store.ts'

const firstSegment = '/data/p-0/00000000000000000000.log'

const verify = (disk: SimFileSystem) => verifyStore(dataPath, { fileSystem: disk })

describe('verify', () => {
  it('counts what it read of a whole store and finds nothing', async () => {
    const { disk } = await makeSmallStore(true)
    const report = await verify(disk)
    expect(report).toMatchObject({ isWhole: true, isClean: true, findings: [], logCount: 4 })
    expect(report).toMatchObject({ segmentCount: 7, batchCount: 14, recordCount: 17 })
    const logs = [...filesBelow(disk, dataPath)].filter(([path]) => path.endsWith('.log'))
    expect(report.checkedBytes).toBe(logs.reduce((sum, [, bytes]) => sum + bytes.length, 0))
  })

  it('says of a damaged batch where it is and which offsets it had', async () => {
    const { disk } = await makeSmallStore(true)
    const [, second] = batchPositions(readFile(disk, firstSegment))
    disk.flipBits(firstSegment, (second as number) + 65, 4)
    const { isWhole, findings } = await verify(disk)
    expect(isWhole).toBe(false)
    expect(findings).toEqual([
      {
        severity: 'damage',
        kind: 'records',
        log: 'p-0',
        path: firstSegment,
        position: second,
        sizeBytes: 70,
        offsets: { from: 2, to: 3 },
        message: 'checksum mismatch',
      },
    ])
    expect(findingText(findings[0] as never)).toBe(
      `damage  checksum mismatch (offset 2): byte ${second} of ${firstSegment}`,
    )
  })

  it('goes on with others where a file cannot be read, and a repair touches nothing then', async () => {
    const { disk } = await makeSmallStore(true)
    const whole = await verify(disk)
    const first = disk.readCount
    await verify(disk)
    const reads = disk.readCount - first
    let found = 0
    for (let at = 1; at <= reads; at++) {
      disk.failRead(disk.readCount + at, { errno: 'EIO' })
      const report = await verify(disk).catch((error: unknown) => error)
      if (report instanceof Error) {
        expect(report).toBeInstanceOf(StorageError)
        continue
      }
      const { findings, isWhole, logCount } = report as typeof whole
      expect([isWhole, logCount]).toEqual([false, whole.logCount - 1])
      expect(findings).toMatchObject([{ severity: 'damage', kind: 'unreadable' }])
      expect(findings[0]!.path).toContain(`${dataPath}/${findings[0]!.log}`)
      found++
    }
    // The logs of topics are most of what is read.
    expect(found).toBeGreaterThan(reads / 2)
    const before = filesBelow(disk, dataPath)
    disk.failRead(disk.readCount + reads - 3, { errno: 'EIO' })
    const repair = repairStore(dataPath, { fileSystem: disk, apply: true })
    await expect(repair).rejects.toThrow(StorageError)
    expect(filesBelow(disk, dataPath)).toEqual(before)
  })

  it.each([true, false])('changes no byte of any file (clean stop: %s)', async (isClean) => {
    const { disk } = await makeSmallStore(isClean)
    for (const [path, bytes] of filesBelow(disk, dataPath)) {
      if (bytes.length > 20) disk.flipBits(path, 20, 1)
    }
    disk.remove('/data/log-start-offset-checkpoint')
    const before = filesBelow(disk, dataPath)
    // Held by the process that was killed; taking the lock and letting go of it removes it.
    before.delete('/data/.lock')
    expect((await verify(disk)).isWhole).toBe(false)
    expect(filesBelow(disk, dataPath)).toEqual(before)
  })

  it('takes a tail that recovery cuts for a note, and the same bytes after a clean stop for damage', async () => {
    const killed = (await makeSmallStore(false)).disk
    const path = '/data/p-0/00000000000000000006.log'
    const bytes = readFile(killed, path)
    writeFile(killed, path, bytes.subarray(0, bytes.length - 5))
    const report = await verify(killed)
    expect(report).toMatchObject({ isWhole: true, isClean: false })
    expect(report.findings).toContainEqual({
      severity: 'note',
      kind: 'not-recovered',
      log: 'p-0',
      path,
      position: 70,
      message: 'impossible batch header: not recovered yet, opening the store cuts 74 bytes here',
    })
    await (await openSmall(killed)).close()
    const stopped = killed.processCrash()
    writeFile(stopped, path, Buffer.concat([readFile(stopped, path), Buffer.from('torn')]))
    expect((await verify(stopped)).findings).toMatchObject([{ severity: 'damage', position: 70 }])
  })

  it('says that a journal waits to be written back', async () => {
    const disk = simDisk()
    await (await (await openOn(disk)).log('t')).append('journaled')
    const { findings } = await verify(disk.processCrash())
    expect(findings.map(({ path }) => path)).toContain('/data/stratalog.journal')
  })

  it('finds records that do not decode though their checksum is right', async () => {
    const { disk } = await makeSmallStore(true)
    const path = '/data/z-0/00000000000000000000.log'
    const { sealBatch } = await import('../../src/record/batch-view.ts')
    const bytes = readFile(disk, path)
    bytes.writeUInt8(bytes.readUInt8(70) ^ 0xff, 70)
    sealBatch(bytes, 0)
    writeFile(disk, path, bytes)
    expect((await verify(disk)).findings).toMatchObject([
      { kind: 'records', path, position: 0, offsets: { from: 0, to: 2 } },
    ])
  })

  it('refuses a directory that is in use, or none, without leaving anything there', async () => {
    const { disk } = await makeSmallStore(true)
    const store = await openSmall(disk)
    await expect(verify(disk)).rejects.toMatchObject({ code: 'ERR_STORE_LOCKED' })
    await store.close()
    disk.makeDirectory('/other')
    await expect(verifyStore('/nowhere', { fileSystem: disk })).rejects.toMatchObject({
      code: 'ERR_STORE_FORMAT',
    })
    expect(disk.readDirectory('/')).toEqual(['data', 'other'])
    expect(disk.readDirectory(dataPath)).not.toContain('.lock')
    const wrong = verifyStore(dataPath, { colour: 'red' } as never)
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID' })
  })

  it('reports its progress and gives the loop turns', async () => {
    const { disk } = await makeSmallStore(true)
    const seen: { log: string; checkedBytes: number; totalBytes: number }[] = []
    let turns = 0
    const count = (): void => {
      turns++
      if (!isDone) setImmediate(count)
    }
    let isDone = false
    setImmediate(count)
    await verifyStore(dataPath, { fileSystem: disk, onProgress: (step) => seen.push(step) })
    isDone = true
    expect(seen.map(({ log }) => log)).toContain('z-0')
    expect(seen.at(-1)?.checkedBytes).toBe(seen.at(-1)?.totalBytes)
    expect(turns).toBeGreaterThan(3)
  })
})
