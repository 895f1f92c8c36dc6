/**
 * Fetch requests and answers of version 4 by hand, the oldest that every server here takes:
 *
 *     request := length:int32 apiKey:int16=1 version:int16=4 correlation:int32 clientId:string
 *                replica:int32=-1 maxWaitMs:int32 minBytes:int32 maxBytes:int32 isolation:int8
 *                topics:[name:string partitions:[index:int32 offset:int64 maxBytes:int32]]
 *     answer  := length:int32 correlation:int32 throttleMs:int32
 *                topics:[name:string partitions:[index:int32 error:int16 highWatermark:int64
 *                lastStable:int64 aborted:[producer:int64 first:int64] records:bytes]]
 */

export type FetchPlan = {
  readonly topic: string
  /** All from their first offset. */
  readonly partitions: number
  readonly maxBytesPerPartition: number
}

export type FetchedPartition = {
  readonly index: number
  readonly error: number
  readonly recordBytes: number
}

const clientId = 'bench'

export function fetchRequest({ topic, partitions, maxBytesPerPartition }: FetchPlan): Buffer {
  const entryBytes = 16
  const fixed = 4 + 8 + 2 + clientId.length + 17 + 4 + 2 + topic.length + 4
  const frame = Buffer.alloc(fixed + partitions * entryBytes)
  let at = frame.writeInt32BE(frame.length - 4)
  at = frame.writeInt16BE(1, at)
  at = frame.writeInt16BE(4, at)
  at = frame.writeInt32BE(1, at)
  at = writeString(frame, clientId, at)
  at = frame.writeInt32BE(-1, at)
  at = frame.writeInt32BE(0, at)
  at = frame.writeInt32BE(1, at)
  at = frame.writeInt32BE(partitions * maxBytesPerPartition, at)
  at = frame.writeInt8(0, at)
  at = frame.writeInt32BE(1, at)
  at = writeString(frame, topic, at)
  at = frame.writeInt32BE(partitions, at)
  for (let index = 0; index < partitions; index++) {
    at = frame.writeInt32BE(index, at)
    at = frame.writeBigInt64BE(0n, at)
    at = frame.writeInt32BE(maxBytesPerPartition, at)
  }
  return frame
}

/** @param answer whole, with its length in front. */
export function fetchedPartitions(answer: Buffer): FetchedPartition[] {
  let at = 12
  const found: FetchedPartition[] = []
  const topics = answer.readInt32BE(at)
  at += 4
  for (let topic = 0; topic < topics; topic++) {
    at += 2 + answer.readInt16BE(at)
    const partitions = answer.readInt32BE(at)
    at += 4
    for (let entry = 0; entry < partitions; entry++) {
      const [index, error] = [answer.readInt32BE(at), answer.readInt16BE(at + 4)]
      at += 22
      at += 4 + 16 * Math.max(0, answer.readInt32BE(at))
      const recordBytes = Math.max(0, answer.readInt32BE(at))
      at += 4 + recordBytes
      found.push({ index, error, recordBytes })
    }
  }
  return found
}

function writeString(frame: Buffer, text: string, at: number): number {
  return frame.writeInt16BE(text.length, at) + frame.write(text, at + 2, 'latin1')
}
