import { describe, expect, it } from 'vitest'
import { apiVersionsApi } from '../../src/broker/api/api-versions.ts'
import { fetchApi } from '../../src/broker/api/fetch.ts'
import { listOffsetsApi } from '../../src/broker/api/list-offsets.ts'
import { metadataApi } from '../../src/broker/api/metadata.ts'
import { produceApi } from '../../src/broker/api/produce.ts'
import {
  isFlexible,
  readRequest,
  readResponse,
  writeRequest,
  writeResponse,
} from '../../src/protocol/api.ts'
import { readClientId, readRequestKey } from '../../src/protocol/headers.ts'
import { ProtocolError } from '../../src/protocol/protocol-error.ts'
import { WireReader } from '../../src/protocol/wire-reader.ts'
import { frameBytes } from '../support/wire-frame.ts'

// Goal: the bytes are Kafka's, not only our own round trip.
// Method: frames written out by hand from the message definitions, read and written both ways.

const hex = (...parts: string[]) => Buffer.from(parts.join('').replaceAll(/\s+/g, ''), 'hex')
const topicId = 'AQIDBAUGBwgJCgsMDQ4PEA' // 01 02 … 10
const topicIdHex = '0102030405060708090a0b0c0d0e0f10'

describe('ApiVersions', () => {
  it('answers v0 without a throttle time', () => {
    const body = { errorCode: 35, apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }] }
    const frame = frameBytes(writeResponse(apiVersionsApi, 0, 7, body))
    expect(frame).toEqual(hex('00000007', '0023', '00000001', '0012 0000 0004'))
  })

  it('answers v3 flexible behind a header without tags', () => {
    const frame = frameBytes(
      writeResponse(apiVersionsApi, 3, 7, {
        errorCode: 0,
        apiKeys: [{ apiKey: 0, minVersion: 0, maxVersion: 13 }],
        finalizedFeaturesEpoch: 5,
      }),
    )
    expect(frame).toEqual(
      hex(
        '00000007', // correlation id, no tag buffer
        '0000', // error
        '02 0000 0000 000d 00', // one key, its tags
        '00000000', // throttle
        '01 01 08 0000000000000005', // one tag: 1, 8 bytes
      ),
    )
    expect(readResponse(apiVersionsApi, 3, frame).body.finalizedFeaturesEpoch).toBe(5)
  })

  it('reads a v3 request, skipping tags it does not know', () => {
    const frame = hex(
      '0012 0003 00000001 0003 617070', // key, version, correlation, "app" (never compact)
      '01 07 02 ffff', // header tags: 7, 2 bytes
      '05 6b63 6174 04 312e37', // "kcat", "1.7"
      '02 00 01 aa 09 00', // tags 0 and 9
    )
    const reader = new WireReader(frame)
    expect(readRequestKey(reader)).toEqual({ apiKey: 18, apiVersion: 3, correlationId: 1 })
    expect(readClientId(reader, isFlexible(apiVersionsApi, 3))).toBe('app')
    const body = readRequest(apiVersionsApi, 3, reader)
    expect(body).toEqual({ clientSoftwareName: 'kcat', clientSoftwareVersion: '1.7' })
    expect(reader.bytesLeft).toBe(0)
  })
})

describe('Metadata', () => {
  const topic = {
    errorCode: 0,
    name: 't',
    topicId,
    isInternal: false,
    partitions: [
      {
        errorCode: 0,
        partitionIndex: 0,
        leaderId: 1,
        leaderEpoch: 3,
        replicaNodes: [1],
        isrNodes: [1],
        offlineReplicas: [],
      },
    ],
  }
  const body = {
    brokers: [{ nodeId: 1, host: 'h', port: 9092, rack: null }],
    clusterId: 'c',
    controllerId: 1,
    topics: [topic],
  }
  const everythingButOperations = { ...body, throttleTimeMs: 0 }

  it('answers v1 in the classic encoding', () => {
    expect(frameBytes(writeResponse(metadataApi, 1, 2, body))).toEqual(
      hex(
        '00000002',
        '00000001 00000001 0001 68 00002384 ffff', // brokers with rack
        '00000001', // controller
        '00000001 0000 0001 74 00', // topics: error, name, internal
        '00000001 0000 00000000 00000001 00000001 00000001 00000001 00000001',
      ),
    )
  })

  it('answers v9 flexible, with leader epoch and authorized operations', () => {
    expect(frameBytes(writeResponse(metadataApi, 9, 2, body))).toEqual(
      hex(
        '00000002 00', // header with tags
        '00000000', // throttle
        '02 00000001 02 68 00002384 00 00', // brokers, rack null, tags
        '02 63 00000001', // cluster, controller
        '02 0000 02 74 00', // topics
        '02 0000 00000000 00000001 00000003 02 00000001 02 00000001 01 00', // partition
        '80000000 00', // topic operations, topic tags
        '80000000 00', // cluster operations, tags
      ),
    )
  })

  it('answers v12 with topic ids and without cluster operations', () => {
    const frame = frameBytes(writeResponse(metadataApi, 12, 2, everythingButOperations))
    expect(frame).toEqual(
      hex(
        '00000002 00 00000000',
        '02 00000001 02 68 00002384 00 00',
        '02 63 00000001',
        `02 0000 02 74 ${topicIdHex} 00`,
        '02 0000 00000000 00000001 00000003 02 00000001 02 00000001 01 00',
        '80000000 00',
        '00',
      ),
    )
  })

  it('reads all three ways to say "which topics"', () => {
    const read = (version: number, bytes: Buffer) =>
      readRequest(metadataApi, version, new WireReader(bytes))
    expect(read(0, hex('00000000')).topics).toEqual([])
    expect(read(1, hex('ffffffff')).topics).toBeNull()
    expect(() => read(0, hex('ffffffff'))).toThrow(/null where the version allows none/)
    expect(read(12, hex(`02 ${topicIdHex} 00 00 01 00 00`))).toEqual({
      topics: [{ topicId, name: null }],
      allowAutoTopicCreation: true,
      includeClusterAuthorizedOperations: false,
      includeTopicAuthorizedOperations: false,
    })
  })
})

describe('Produce', () => {
  const batch = Buffer.from('not really a batch')
  const batchHex = batch.toString('hex')

  it('reads v3', () => {
    const body = readRequest(
      produceApi,
      3,
      new WireReader(
        hex(
          'ffff ffff 00007530', // transactional id null, acks −1, timeout 30 s
          '00000001 0001 74', // one topic "t"
          `00000001 00000002 00000012 ${batchHex}`, // one partition 2
        ),
      ),
    )
    expect(body).toMatchObject({ transactionalId: null, acks: -1, timeoutMs: 30_000 })
    expect(body.topicData[0]).toMatchObject({ name: 't', partitionData: [{ index: 2 }] })
    expect(body.topicData[0]!.partitionData[0]!.records).toEqual(batch)
  })

  it('reads v9 and hands records out as a view of the frame', () => {
    const frame = hex('00 0001 00007530', `02 02 74 02 00000002 13 ${batchHex} 00 00 00`)
    const records = readRequest(produceApi, 9, new WireReader(frame)).topicData[0]!
      .partitionData[0]!.records!
    expect(records).toEqual(batch)
    expect(records.buffer).toBe(frame.buffer)
  })

  it('writes v13 by topic id', () => {
    const frame = writeRequest(
      produceApi,
      { apiVersion: 13, correlationId: 1, clientId: null },
      {
        acks: 1,
        timeoutMs: 1,
        topicData: [{ topicId, partitionData: [{ index: 0, records: batch }] }],
      },
    )
    expect(frameBytes(frame)).toEqual(
      hex(
        '0000 000d 00000001 ffff 00',
        '00 0001 00000001',
        `02 ${topicIdHex} 02 00000000 13 ${batchHex} 00 00 00`,
      ),
    )
  })

  it('answers v3 and v11, with error details only in the latter', () => {
    const partition = {
      index: 0,
      errorCode: 87,
      baseOffset: -1,
      recordErrors: [{ batchIndex: 3, batchIndexErrorMessage: null }],
      errorMessage: 'e',
    }
    const body = { responses: [{ name: 't', partitionResponses: [partition] }] }
    expect(frameBytes(writeResponse(produceApi, 3, 4, body))).toEqual(
      hex(
        '00000004',
        '00000001 0001 74 00000001 00000000 0057 ffffffffffffffff ffffffffffffffff',
        '00000000',
      ),
    )
    expect(frameBytes(writeResponse(produceApi, 11, 4, body))).toEqual(
      hex(
        '00000004 00',
        '02 02 74 02 00000000 0057 ffffffffffffffff ffffffffffffffff ffffffffffffffff',
        '02 00000003 00 00 02 65 00 00',
        '00000000 00',
      ),
    )
  })

  it('tags the current leader in v10 and later only when there is one to tell', () => {
    const partition = { index: 0, errorCode: 6, baseOffset: -1 }
    const write = (currentLeader: { leaderId: number; leaderEpoch: number }) =>
      frameBytes(
        writeResponse(produceApi, 10, 4, {
          responses: [{ name: 't', partitionResponses: [{ ...partition, currentLeader }] }],
        }),
      )
    expect(write({ leaderId: 2, leaderEpoch: 9 }).toString('hex')).toContain(
      '01000900000002000000090000000000',
    )
    expect(write({ leaderId: -1, leaderEpoch: -1 }).length).toBe(
      write({ leaderId: 2, leaderEpoch: 9 }).length - 11,
    )
  })
})

describe('Fetch', () => {
  it('reads v4 and gives fields of later versions their defaults', () => {
    const body = readRequest(
      fetchApi,
      4,
      new WireReader(
        hex(
          'ffffffff 000001f4 00000001 03200000 01', // replica, wait, min, max, read committed
          '00000001 0001 74 00000001 00000000 000000000000002a 00100000',
        ),
      ),
    )
    expect(body).toMatchObject({ maxWaitMs: 500, isolationLevel: 1, sessionEpoch: -1 })
    expect(body.forgottenTopicsData).toEqual([])
    expect(body.topics[0]!.partitions[0]).toMatchObject({
      fetchOffset: 42,
      currentLeaderEpoch: -1,
      partitionMaxBytes: 1_048_576,
    })
  })

  it('reads v13 with a replica that only v12 and older know left out', () => {
    const body = readRequest(
      fetchApi,
      13,
      new WireReader(
        hex(
          'ffffffff 000001f4 00000001 03200000 00 00000000 ffffffff',
          `02 ${topicIdHex} 02 00000000 ffffffff 7fffffffffffffff ffffffff`,
          'ffffffffffffffff 00100000 00 00',
          '01 01 00',
        ),
      ),
    )
    expect(body.topics[0]).toMatchObject({ topic: '', topicId })
    expect(body.topics[0]!.partitions[0]!.fetchOffset).toBe(Number.MAX_SAFE_INTEGER)
  })

  it('answers v4 and v12 with records last in their partition', () => {
    const records = Buffer.from('recs')
    const partition = {
      partitionIndex: 1,
      errorCode: 0,
      highWatermark: 5,
      lastStableOffset: 5,
      logStartOffset: 0,
      abortedTransactions: null,
      records,
    }
    const body = { responses: [{ topic: 't', partitions: [partition] }] }
    expect(frameBytes(writeResponse(fetchApi, 4, 9, body))).toEqual(
      hex(
        '00000009 00000000',
        '00000001 0001 74 00000001 00000001 0000 0000000000000005 0000000000000005',
        'ffffffff 00000004 72656373',
      ),
    )
    const diverging = { ...partition, divergingEpoch: { epoch: 2, endOffset: 3 } }
    const v12 = { responses: [{ topic: 't', partitions: [diverging] }] }
    expect(frameBytes(writeResponse(fetchApi, 12, 9, v12))).toEqual(
      hex(
        '00000009 00 00000000 0000 00000000',
        '02 02 74 02 00000001 0000 0000000000000005 0000000000000005 0000000000000000',
        '00 ffffffff 05 72656373',
        '01 00 0d 00000002 0000000000000003 00', // diverging epoch, tag 0
        '00 00',
      ),
    )
  })

  it('refuses to tell a version what it has no place for', () => {
    const partition = {
      partitionIndex: 1,
      errorCode: 0,
      highWatermark: 5,
      abortedTransactions: null,
      records: Buffer.alloc(0),
      divergingEpoch: { epoch: 2, endOffset: 3 },
    }
    const body = { responses: [{ topic: 't', partitions: [partition] }] }
    expect(() => writeResponse(fetchApi, 11, 1, body)).toThrow(/no place for divergingEpoch/)
  })
})

describe('hostile lengths', () => {
  const read = (bytes: Buffer, version = 1) =>
    readRequest(metadataApi, version, new WireReader(bytes))

  it('refuses a count that the bytes left cannot hold, before reading an item', () => {
    expect(() => read(hex('7fffffff 0001 61'))).toThrow(ProtocolError)
    expect(() => read(hex('fffffffe'))).toThrow(/array of length -2/)
    expect(() => read(hex('ffffffff0f'), 9)).toThrow(/array of length 4294967294/)
  })

  it('refuses a varint of more than 32 bits', () => {
    expect(() => read(hex('ffffffffff01'), 9)).toThrow(/varint beyond 32 bits/)
  })

  it('refuses negative and over-long strings', () => {
    expect(() => read(hex('00000001 fffe 00'))).toThrow(/string of length -2/)
    expect(() => read(hex('00000001 7fff 00'))).toThrow(/string of length 32767/)
    expect(() => read(Buffer.concat([hex('02 818002'), Buffer.alloc(32_768)]), 9)).toThrow(
      /string of length 32768/,
    )
  })

  it('refuses tags out of order and values that read past their tag', () => {
    const tags = (bytes: string) =>
      readResponse(apiVersionsApi, 3, hex('00000001 0000 01 00000000', bytes))
    expect(() => tags('02 05 00 05 00')).toThrow(/tag 5 after tag 5/)
    expect(() => tags('01 01 04 00000000 00000000')).toThrow(/ends inside a field/)
    expect(() => tags('7f')).toThrow(/tag buffer of length 127/)
  })

  it('bounds what a frame of tiny items decodes to', () => {
    const count = 1_100_000
    const items = Buffer.alloc(4 + count * 2)
    items.writeInt32BE(count, 0)
    expect(() => read(items)).toThrow(/more than 1000000 items/)
  })

  it('refuses an offset that a number cannot hold, except where any offset may be asked for', () => {
    const timestamps = (version: number) =>
      readRequest(
        listOffsetsApi,
        version,
        new WireReader(hex('ffffffff 00000001 0001 74 00000001 00000000 7fffffffffffffff')),
      )
    expect(timestamps(1).topics[0]!.partitions[0]!.timestamp).toBe(Number.MAX_SAFE_INTEGER)
    const response = hex(
      '00000001',
      '00000001 0001 74 00000001 00000000 0000',
      '7fffffffffffffff',
      '0000000000000000',
    )
    expect(() => readResponse(listOffsetsApi, 1, response)).toThrow(/int64 beyond 2\^53/)
  })
})
