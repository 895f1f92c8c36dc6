import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fetchApi } from '../../src/broker/api/fetch.ts'
import { metadataApi } from '../../src/broker/api/metadata.ts'
import { produceApi } from '../../src/broker/api/produce.ts'
import { servedApis } from '../../src/broker/api-table.ts'
import { type LogServer, serve } from '../../src/net/serve.ts'
import { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { writeRequest } from '../../src/protocol/api.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import { batchOf } from '../support/broker-harness.ts'
import { KafkaClient } from '../support/kafka-client.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import { structArbitrary } from '../support/schema-arbitrary.ts'
import { TcpClient } from '../support/tcp-client.ts'
import { frameBytes } from '../support/wire-frame.ts'

// Goal: whatever a peer sends, it gets a documented error or loses its own connection with one log
//       line; the server neither crashes nor hangs, and other connections do not notice.
// Method: a running server on a simulated disk; one healthy connection speaks after every attack.

const logger = new RecordingLogger()
let store: Store
let server: LogServer
let healthy: KafkaClient

beforeAll(async () => {
  const fileSystem = new SimFileSystem({ seed: 1, directories: ['/data'] })
  store = await openStore('/data', { fileSystem })
  await store.createTopic('t')
  const options = { port: 0, logger, maxRequestBytes: 1_000_000, autoCreateTopics: false }
  server = await serve(store, options)
  healthy = await KafkaClient.connect(server.port)
})

afterAll(async () => {
  healthy.close()
  await server.close({ deadlineMs: 1000 })
  await store.close()
})

async function expectHealthy(): Promise<void> {
  const { topics } = await healthy.ask(metadataApi, 12, { topics: [{ name: 't' }] })
  expect(topics[0]).toMatchObject({ errorCode: 0, name: 't' })
  expect(logger.at('error')).toEqual([])
}

/** Sends raw bytes, ends our side, and waits for the server to close its own. */
async function attack(bytes: Buffer): Promise<void> {
  const peer = await TcpClient.connect(server.port)
  peer.socket.end(bytes)
  await peer.closed
}

const int32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
const framed = (body: Buffer) => Buffer.concat([int32(body.length), body])
const header = (apiVersion: number) => ({ apiVersion, correlationId: 9, clientId: 'fuzz' })
const metadataFrame = frameBytes(writeRequest(metadataApi, header(12), { topics: [{ name: 't' }] }))

const withInt16 = (bytes: Buffer, at: number, value: number) => {
  const changed = Buffer.from(bytes)
  changed.writeInt16BE(value, at)
  return changed
}

describe('a peer that sends', () => {
  it.each<[string, Buffer, RegExp]>([
    ['a negative length', int32(-1), /a frame of size -1/],
    ['an absurd length', int32(0x7fff_ffff), /2147483647 bytes, the limit is 1000000/],
    ['a length just over the limit', int32(1_000_001), /1000001 bytes/],
    ['an empty frame', int32(0), /undecodable request/],
    ['half a header', framed(Buffer.from([0, 3, 0])), /undecodable request/],
    ['an unknown API', framed(withInt16(metadataFrame, 0, 12_345)), /API is not served/],
    ['an unknown version', framed(withInt16(metadataFrame, 2, 99)), /version is not served/],
    ['a negative version', framed(withInt16(metadataFrame, 2, -3)), /version is not served/],
    ['a cut-off body', framed(metadataFrame.subarray(0, -4)), /undecodable request/],
    [
      'an absurd array length',
      framed(Buffer.concat([Buffer.from('0003000100000001ffff', 'hex'), int32(0x7fff_fff0)])),
      /array of length 2147483632/,
    ],
    [
      'an absurd compact array length',
      framed(Buffer.from('0003000c00000001ffff00fffffffF0f'.toLowerCase(), 'hex')),
      /array of length/,
    ],
    [
      'text of another protocol',
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
      /1195725856 bytes/,
    ],
  ])('%s loses its connection, with one line', async (_, bytes, reason) => {
    const before = logger.at('warn').length
    const peer = await TcpClient.connect(server.port)
    peer.sendRaw(bytes)
    await peer.closed
    const lines = logger.at('warn').slice(before)
    expect(lines.length).toBe(1)
    expect(lines[0]!.fields['reason']).toMatch(reason)
    await expectHealthy()
  })

  it('a frame cut off at any byte is no trouble to anybody', async () => {
    const whole = framed(metadataFrame)
    for (let length = 0; length < whole.length; length++) await attack(whole.subarray(0, length))
    await expectHealthy()
  })

  it('a bad batch gets the error of its fault and keeps its connection', async () => {
    const client = await KafkaClient.connect(server.port)
    const produce = async (records: Buffer) => {
      const topicData = [{ name: 't', partitionData: [{ index: 0, records }] }]
      const { responses } = await client.ask(produceApi, 9, { acks: 1, timeoutMs: 0, topicData })
      return responses[0]!.partitionResponses[0]!.errorCode
    }
    const spoiled = (at: number, value: number) => {
      const batch = batchOf(['one', 'two'])
      batch[at] = value
      return batch
    }
    expect(await produce(spoiled(16, 0))).toBe(87) // magic
    expect(await produce(spoiled(20, 0x99))).toBe(2) // CRC
    expect(await produce(spoiled(60, 200))).toBe(2) // count, so the CRC too
    expect(await produce(spoiled(11, 0xff))).toBe(2) // batch length
    expect(await produce(spoiled(8, 0xff))).toBe(2) // negative batch length
    expect(await produce(batchOf(['fine']))).toBe(0)
    client.close()
    await expectHealthy()
  })

  it('random bytes in frames is answered or closed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 4 }),
        async (bodies) => attack(Buffer.concat(bodies.map((body) => framed(Buffer.from(body))))),
      ),
      { numRuns: 60 },
    )
    await expectHealthy()
  })

  it.each(servedApis)('$api.name with changed bytes is answered or closed', async ({ api }) => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: api.versions.min, max: api.versions.max }).chain((version) =>
          fc.record({
            version: fc.constant(version),
            // Shortened waits: random ones park fetches for days, which is rightful but slow.
            body: structArbitrary(api.request, version).map((body) =>
              'maxWaitMs' in body ? { ...body, maxWaitMs: 0 } : body,
            ),
          }),
        ),
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 3 }),
        async ({ version, body }, changes) => {
          const frame = Buffer.from(frameBytes(writeRequest(api, header(version), body)))
          for (const [at, value] of changes) frame[8 + (at % (frame.length - 8))] = value
          await attack(framed(frame))
        },
      ),
      { numRuns: 25 },
    )
    await expectHealthy()
  })

  it('thousands of frames at once is served in order', async () => {
    const peer = await KafkaClient.connect(server.port)
    const answers = Array.from({ length: 3000 }, () =>
      peer.ask(metadataApi, 12, { topics: [{ name: 't' }] }),
    )
    const codes = (await Promise.all(answers)).map(({ topics }) => topics[0]!.errorCode)
    expect(codes).toEqual(Array(3000).fill(0))
    peer.close()
    await expectHealthy()
  })

  it('fetches and never reads costs no memory and no time of others', async () => {
    const records = batchOf(['x'.repeat(500_000)])
    const topicData = () => [
      { name: 't', partitionData: [{ index: 0, records: Buffer.from(records) }] },
    ]
    for (let i = 0; i < 4; i++) {
      await healthy.ask(produceApi, 9, { acks: 1, timeoutMs: 0, topicData: topicData() })
    }
    const peer = await KafkaClient.connect(server.port)
    peer.tcp.socket.pause()
    const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 10_000_000 }
    for (let i = 0; i < 200; i++) {
      peer.tell(fetchApi, 11, {
        maxWaitMs: 0,
        minBytes: 1,
        topics: [{ topic: 't', partitions: [partition] }],
      })
    }
    await expectHealthy()
    expect(process.memoryUsage().arrayBuffers).toBeLessThan(200_000_000)
    peer.close()
    await expectHealthy()
  })
})
