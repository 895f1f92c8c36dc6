// Question  What does a CRC-32C cost: our addon, our TypeScript, the npm package @node-rs/crc32?
// Workload  random bytes, fixed seed: 100 B, 1 KiB, 16 KiB and 1 MiB, which is cached.
// Measures  ns and GB/s of one call. The package takes whole buffers and is given one; ours take
//           a range of one.
import { loadAddon } from '../../src/native/load-binding.ts'
import { portableCrc32c } from '../../src/native/portable-crc32c.ts'
import { type MicroRow, measureMicro, peerOrNone } from '../support/micro.ts'
import { seededValues } from '../support/seeded.ts'
import { figure } from '../support/table.ts'

type NodeRs = { crc32c(bytes: Uint8Array): number }

/** Runs the whole file; `tiny` inputs only show that it works. */
export function run(options: { readonly tiny: boolean }): MicroRow[] {
  const sizes = options.tiny ? [100] : [100, 1024, 16_384, 1_048_576]
  const nodeRs = peerOrNone<NodeRs>('@node-rs/crc32', options)
  const ways = waysOf(nodeRs)
  const works = sizes.flatMap((size) => {
    const bytes = seededValues(1, size, 1)[0]!
    const expected = portableCrc32c(bytes, 0, size)
    return ways.map(({ name, crc }) => {
      if (crc(bytes) !== expected) throw new Error(`${name} computes another CRC-32C`)
      return { what: `${figure(size)} B, ${name}`, bytes: size, work: () => crc(bytes) }
    })
  })
  return measureMicro(works, options)
}

function waysOf(nodeRs: NodeRs | undefined) {
  const ways = [
    { name: 'TypeScript', crc: (bytes: Buffer) => portableCrc32c(bytes, 0, bytes.length) },
  ]
  try {
    const addon = loadAddon()
    ways.unshift({ name: 'addon', crc: (bytes) => addon.crc32c(bytes, 0, bytes.length) })
  } catch (error) {
    console.log(`skipped: the addon [${String(error).split('\n', 1)[0]}]`)
  }
  if (nodeRs !== undefined) {
    ways.push({ name: '@node-rs/crc32', crc: (bytes) => nodeRs.crc32c(bytes) })
  }
  return ways
}
