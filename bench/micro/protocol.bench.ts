// Question  What do the messages of the busiest APIs cost to write and to read?
// Workload  the versions current clients use: Produce v9 and Fetch v12 of one topic with 1 and with 16
//           partitions (records of 64 KiB each, not copied), Metadata v12 of 1 and 100 topics of 4
//           partitions, OffsetCommit v9 of 16 partitions; headers included.
// Measures  ns per message, both messages of each API, both ways: a server reads requests and writes
//           answers. Not: handling them.
import { fetchApi } from '../../src/broker/api/fetch.ts'
import { metadataApi } from '../../src/broker/api/metadata.ts'
import { offsetCommitApi } from '../../src/broker/api/offset-commit.ts'
import { produceApi } from '../../src/broker/api/produce.ts'
import {
  type Api,
  isFlexible,
  type RequestInputOf,
  type ResponseInputOf,
  readRequest,
  readResponse,
  writeRequest,
  writeResponse,
} from '../../src/protocol/api.ts'
import { readClientId, readRequestKey } from '../../src/protocol/headers.ts'
import { WireReader } from '../../src/protocol/wire-reader.ts'
import { type MicroRow, type MicroWork, measureMicro } from '../support/micro.ts'

const topicId = 'AAECAwQFBgcICQoLDA0ODw'
const records = Buffer.alloc(65_536)
const messages = 100

/** Runs the whole file; `tiny` inputs only show that it works. */
export function run(options: { readonly tiny: boolean }): MicroRow[] {
  return measureMicro(
    [
      ...[1, 16].flatMap((partitions) => produce(partitions)),
      ...[1, 16].flatMap((partitions) => fetch(partitions)),
      ...[1, 100].flatMap((topics) => metadata(topics)),
      ...offsetCommit(16),
    ],
    options,
  )
}

function produce(partitions: number): MicroWork[] {
  return both(`Produce, ${partitions} partitions`, produceApi, 9, {
    request: {
      acks: 1,
      timeoutMs: 30_000,
      topicData: [
        { name: 'orders', partitionData: upTo(partitions, (index) => ({ index, records })) },
      ],
    },
    response: {
      responses: [
        {
          name: 'orders',
          partitionResponses: upTo(partitions, (index) => ({
            index,
            errorCode: 0,
            baseOffset: 1_000_000 + index,
            logAppendTimeMs: -1,
            logStartOffset: 0,
            recordErrors: [],
            errorMessage: null,
          })),
        },
      ],
    },
  })
}

function fetch(partitions: number): MicroWork[] {
  return both(`Fetch, ${partitions} partitions`, fetchApi, 12, {
    request: {
      maxWaitMs: 500,
      minBytes: 1,
      maxBytes: 1 << 20,
      topics: [
        {
          topic: 'orders',
          partitions: upTo(partitions, (partition) => ({
            partition,
            fetchOffset: 1_000_000 + partition,
            partitionMaxBytes: 1 << 20,
          })),
        },
      ],
    },
    response: {
      errorCode: 0,
      responses: [
        {
          topic: 'orders',
          partitions: upTo(partitions, (partitionIndex) => ({
            partitionIndex,
            errorCode: 0,
            highWatermark: 2_000_000,
            lastStableOffset: 2_000_000,
            logStartOffset: 0,
            abortedTransactions: null,
            records,
          })),
        },
      ],
    },
  })
}

function metadata(topics: number): MicroWork[] {
  const name = (index: number) => `orders-${index}`
  return both(`Metadata, ${topics} topics`, metadataApi, 12, {
    request: { topics: upTo(topics, (index) => ({ name: name(index) })) },
    response: {
      brokers: [{ nodeId: 1, host: '127.0.0.1', port: 9092 }],
      clusterId: topicId,
      topics: upTo(topics, (index) => ({
        errorCode: 0,
        name: name(index),
        topicId,
        partitions: upTo(4, (partitionIndex) => ({
          errorCode: 0,
          partitionIndex,
          leaderId: 1,
          leaderEpoch: 0,
          replicaNodes: [1],
          isrNodes: [1],
          offlineReplicas: [],
        })),
      })),
    },
  })
}

function offsetCommit(partitions: number): MicroWork[] {
  return both(`OffsetCommit, ${partitions} partitions`, offsetCommitApi, 9, {
    request: {
      groupId: 'billing',
      generationIdOrMemberEpoch: 7,
      memberId: 'billing-0b6c2a1e',
      topics: [
        {
          name: 'orders',
          partitions: upTo(partitions, (partitionIndex) => ({
            partitionIndex,
            committedOffset: 1_000_000 + partitionIndex,
            committedMetadata: null,
          })),
        },
      ],
    },
    response: {
      topics: [
        {
          name: 'orders',
          partitions: upTo(partitions, (partitionIndex) => ({ partitionIndex, errorCode: 0 })),
        },
      ],
    },
  })
}

/** Four pieces of work: each message written and read. */
function both<A extends Api>(
  what: string,
  api: A,
  apiVersion: number,
  { request, response }: { request: RequestInputOf<A>; response: ResponseInputOf<A> },
): MicroWork[] {
  const header = { apiVersion, correlationId: 1, clientId: 'bench' }
  const hasTags = isFlexible(api, apiVersion)
  const requestFrame = joined(writeRequest(api, header, request).parts as Buffer[])
  const answerFrame = joined(writeResponse(api, apiVersion, 1, response).parts as Buffer[])
  const readTheRequest = (): number => {
    const reader = new WireReader(requestFrame)
    const { correlationId } = readRequestKey(reader)
    readClientId(reader, hasTags)
    return Object.keys(readRequest(api, apiVersion, reader)).length + correlationId
  }
  const name = (message: string) => `${what}: ${message}`
  return [
    many(name('request read'), readTheRequest),
    many(name('answer written'), () => writeResponse(api, apiVersion, 1, response).sizeBytes),
    many(name('request written'), () => writeRequest(api, header, request).sizeBytes),
    many(name('answer read'), () => readResponse(api, apiVersion, answerFrame).correlationId),
  ]
}

/** One call of tinybench's clock costs as much as a small message. */
function many(what: string, one: () => number): MicroWork {
  const work = (): number => {
    let sum = 0
    for (let left = messages; left > 0; left--) sum += one()
    return sum
  }
  return { what, operations: messages, work }
}

/** A frame without its prefix. */
function joined(parts: readonly Buffer[]): Buffer {
  return Buffer.concat(parts).subarray(4)
}

function upTo<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index))
}
