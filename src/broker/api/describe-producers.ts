/** DescribeProducers: the idempotent producers each partition remembers. None is in a transaction. */
import { defineApi, type RequestOf, type ResponseInputOf } from '../../protocol/api.ts'
import { type ErrorCode, errorCodeName, errorCodes } from '../../protocol/error-codes.ts'
import { array, int16, int32, int64, string } from '../../protocol/schema.ts'
import type { BrokerEnvironment } from '../broker-environment.ts'
import { findLog } from '../partition-lookup.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const describeProducersApi = defineApi({
  key: 61,
  name: 'DescribeProducers',
  versions: '0',
  flexible: '0+',
  request: {
    topics: array({ name: string(), partitionIndexes: array(int32()) }),
  },
  response: {
    throttleTimeMs: int32('0+', { default: 0 }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string('0+', { nullable: '0+', default: null }),
        activeProducers: array({
          producerId: int64(),
          producerEpoch: int32(),
          lastSequence: int32('0+', { default: -1 }),
          lastTimestamp: int64('0+', { default: -1 }),
          coordinatorEpoch: int32(),
          currentTxnStartOffset: int64('0+', { default: -1 }),
        }),
      }),
    }),
  },
})

type Request = RequestOf<typeof describeProducersApi>
type Topic = ResponseInputOf<typeof describeProducersApi>['topics'][number]
type Partition = Topic['partitions'][number]

export const describeProducers: ServedApi = serve(describeProducersApi, {
  handle: (broker, request) => ({
    topics: answer(request, (name, index) => describe(broker, name, index)),
  }),
  fail: (request, errorCode) => ({
    topics: answer(request, (_name, index) => refuse(index, errorCode)),
  }),
  mayOverlap: true,
})

function answer(
  { topics }: Request,
  describePartition: (name: string, index: number) => Partition,
): Topic[] {
  return topics.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((index) => describePartition(name, index)),
  }))
}

function describe(broker: BrokerEnvironment, name: string, partitionIndex: number): Partition {
  const topic = broker.store.topic(name) ?? errorCodes.unknownTopicOrPartition
  const log = findLog(broker, topic, partitionIndex)
  if (typeof log === 'number') return refuse(partitionIndex, log)
  const activeProducers = log.activeProducers().map((producer) => ({
    producerId: producer.producerId,
    producerEpoch: producer.epoch,
    lastSequence: producer.batches.at(-1)?.lastSequence ?? -1,
    lastTimestamp: producer.lastTimestamp,
    coordinatorEpoch: producer.coordinatorEpoch,
    currentTxnStartOffset: producer.transactionFirstOffset,
  }))
  return { partitionIndex, errorCode: errorCodes.none, activeProducers }
}

function refuse(partitionIndex: number, errorCode: ErrorCode): Partition {
  const errorMessage = errorCodeName(errorCode)
  return { partitionIndex, errorCode, errorMessage, activeProducers: [] }
}
