/**
 * Random ids out of a seed. Ids stand in names of directories that are being deleted, so they
 * decide in which order these go; with ids of its own every run would be another history.
 */
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { SimRandom } from '../../src/platform/sim-random.ts'

let source = new SimRandom(0)

function seededBytes(sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes)
  for (let i = 0; i < sizeBytes; i++) bytes[i] = source.next()
  return bytes
}

/** From here on `crypto.randomBytes` of this process follows from `seed`. */
export function seedIds(seed: number): void {
  source = new SimRandom(seed)
  if ((crypto.randomBytes as unknown) === seededBytes) return
  crypto.randomBytes = seededBytes as unknown as typeof crypto.randomBytes
  syncBuiltinESMExports()
}

/** Uniform in [0, 1), from the same seed. */
export function seededFraction(): number {
  return seededBytes(4).readUInt32BE() / 2 ** 32
}
