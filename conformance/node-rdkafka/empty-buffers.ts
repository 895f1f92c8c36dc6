/**
 * Loaded before node-rdkafka's tests. From Node 18 on an empty Buffer has no address, and
 * node-rdkafka takes what has none for null: its own tests of empty keys and values fail before
 * anything is sent. Here an empty Buffer is the empty part of one that is not.
 */
const from = Buffer.from.bind(Buffer) as (...parameters: unknown[]) => Buffer

Buffer.from = ((...parameters: unknown[]) => {
  const made = from(...parameters)
  return made.length > 0 ? made : Buffer.alloc(1).subarray(0, 0)
}) as typeof Buffer.from
