/**
 * Goal: whatever byte of a store is wrong, or wherever a file of it was cut, no record is ever served
 * that is not the one written at its offset, nothing crashes, verify finds it, and repair makes the
 * store whole again, giving up only records of the damaged batch.
 * Method: every byte of every file of a small store flipped in turn, by a mask drawn from a seed, and
 * every file cut to every length, after a clean stop; after a kill in damage-killed.test.ts. Each
 * damaged disk is opened and read, repaired, and opened and read again (support/damage-trial.ts).
 * STRATALOG_DAMAGE_SEED=<seed> draws other masks.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { nodeFileSystem } from '../../src/platform/node-file-system.ts'
import { SimRandom } from '../../src/platform/sim-random.ts'
import { cutAll, flipAll, seed } from '../support/damage-trial.ts'
import { filesBelow, readFile } from '../support/damaged-disk.ts'
import { dataPath } from '../support/log-inspection.ts'
import { makeSmallStore } from '../support/small-store.ts'
import { withTemporaryDirectory } from '../support/temporary-directory.ts'

describe('a store that was stopped', () => {
  it('never serves a wrong record whichever byte is flipped, and is repaired', async () => {
    const trial = await flipAll(true)
    trial.say('stopped store, bytes flipped')
    expect(trial.counts.healed).toBeGreaterThan(100)
    expect(trial.counts.lost).toBeGreaterThan(300)
  })

  it('never serves a wrong record to whatever length a file is cut, and is repaired', async () => {
    const trial = await cutAll(true)
    trial.say('stopped store, files cut')
    expect(trial.counts.lost).toBeGreaterThan(300)
  })
})

it('a lock file left by a dead process keeps nobody out, whatever it says', async () => {
  await withTemporaryDirectory(async (directory) => {
    const left = Buffer.from('4194302 117@5a5e1b4e-6d0b-4c9e-8c0f-000000000000 kernel\n')
    const random = new SimRandom(seed)
    for (let at = 0; at <= left.length; at++) {
      for (const isCut of [true, false]) {
        const bytes = Buffer.from(left)
        if (!isCut && at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << random.below(8))
        writeFileSync(`${directory}/.lock`, isCut ? bytes.subarray(0, at) : bytes)
        nodeFileSystem.lockDirectory(directory).release()
        expect(existsSync(`${directory}/.lock`)).toBe(false)
      }
    }
  })
})

it('the small store has what a store can have', async () => {
  const { disk } = await makeSmallStore(true)
  const files = [...filesBelow(disk, dataPath).keys()].map((path) =>
    path.slice(dataPath.length + 1),
  )
  for (const kind of [
    '.kafka_cleanshutdown',
    'meta.properties',
    'recovery-point-offset-checkpoint',
    'log-start-offset-checkpoint',
    '__stratalog-0/00000000000000000000.log',
    'p-0/00000000000000000005.log',
    'p-0/00000000000000000000.index',
    'p-0/00000000000000000000.timeindex',
    'p-0/00000000000000000007.snapshot',
    'p-0/leader-epoch-checkpoint',
    'p-0/partition.metadata',
  ]) {
    expect(files).toContain(kind)
  }
  expect(readFile(disk, '/data/z-0/00000000000000000000.log')[22]).toBe(3)
})
