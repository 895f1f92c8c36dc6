import type { WireFrame } from '../../src/protocol/wire-writer.ts'

/** The bytes of a frame behind its length prefix, which is checked. */
export function frameBytes(frame: WireFrame): Buffer {
  const all = wholeFrame(frame)
  return all.subarray(4)
}

/** The bytes of a frame with its length prefix; file slices are read in. */
export function wholeFrame(frame: WireFrame): Buffer {
  const all = Buffer.concat(
    frame.parts.map((part) => {
      if (Buffer.isBuffer(part)) return part
      const bytes = Buffer.alloc(part.length)
      part.file.read(bytes, part.position)
      return bytes
    }),
  )
  if (all.length !== frame.sizeBytes || all.readInt32BE(0) !== all.length - 4) {
    throw new Error(`a frame of ${all.length} bytes claims ${frame.sizeBytes}`)
  }
  return all
}
