// Question  What does it cost to cut a stream into request frames?
// Workload  frames of 100 B, 1 KiB, 16 KiB and 1 MiB that arrive in chunks of 64 KiB, as sockets give
//           them, about 4 MiB a call.
// Measures  ns per frame and GB/s: a copy of the chunk to where the kernel would put it, and next until
//           all is taken. Not: the socket.
import { FrameDecoder } from '../../src/net/frame-decoder.ts'
import { type MicroRow, measureMicro } from '../support/micro.ts'
import { figure } from '../support/table.ts'

const chunkBytes = 65_536
const prefixBytes = 4

/** Runs the whole file; `tiny` inputs only show that it works. */
export function run(options: { readonly tiny: boolean }): MicroRow[] {
  const sizes = [100, 1024, 16_384, 1_048_576]
  const total = options.tiny ? 2 << 20 : 4 << 20
  const works = sizes.map((size) => {
    const count = Math.ceil(total / (prefixBytes + size))
    const chunks = chunksOf(streamOf(count, size))
    const decoder = new FrameDecoder(size)
    const work = (): number => {
      let frames = 0
      for (const chunk of chunks) {
        decoder.push(chunk)
        while (decoder.next() !== undefined) frames++
      }
      return frames === count && decoder.bufferedBytes === 0 ? frames : Number.NaN
    }
    const bytes = count * (prefixBytes + size)
    return { what: `frames of ${figure(size)} B`, operations: count, bytes, work }
  })
  return measureMicro(works, options)
}

function streamOf(count: number, size: number): Buffer {
  const stream = Buffer.alloc(count * (prefixBytes + size))
  for (let i = 0; i < count; i++) stream.writeInt32BE(size, i * (prefixBytes + size))
  return stream
}

function chunksOf(stream: Buffer): Buffer[] {
  return Array.from({ length: Math.ceil(stream.length / chunkBytes) }, (_, i) =>
    stream.subarray(i * chunkBytes, (i + 1) * chunkBytes),
  )
}
