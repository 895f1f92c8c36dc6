/**
 * What a consumer tells its group's leader, as far as a coordinator may look into it:
 *
 *     subscription := version: int16, topics: array of string, …      // classic encodings
 */
import { ProtocolError } from '../../protocol/protocol-error.ts'
import { WireReader } from '../../protocol/wire-reader.ts'

/** Protocol type of groups whose metadata is a subscription. */
export const consumerProtocolType = 'consumer'

/** Topics subscribed to; undefined when `metadata` is no subscription. */
export function subscribedTopics(metadata: Buffer): string[] | undefined {
  const reader = new WireReader(metadata)
  try {
    if (reader.int16() < 0) return undefined
    const topics: string[] = []
    for (let left = reader.arrayCount(2); left > 0; left--) {
      const topic = reader.nullableString()
      if (topic !== null) topics.push(topic)
    }
    return topics
  } catch (error) {
    // Members may send what they like: only they read it.
    if (error instanceof ProtocolError) return undefined
    throw error
  }
}
