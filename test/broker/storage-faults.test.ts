/**
 * Goal: the operator reads in the server's log why clients are answered with storage errors, once
 * and then now and then, whatever they asked for.
 * Method: a broker on a simulated disk that is full or fails; a clock that goes on when told.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTopicsApi } from '../../src/broker/api/create-topics.ts'
import { metadataApi } from '../../src/broker/api/metadata.ts'
import { errorCodes } from '../../src/protocol/error-codes.ts'
import { BrokerHarness, batchOf } from '../support/broker-harness.ts'
import { SteppedClock } from '../support/stepped-clock.ts'

const message = 'clients are answered with a storage error'

describe('storage errors that clients are answered with', () => {
  let clock: SteppedClock
  let harness: BrokerHarness

  beforeEach(async () => {
    clock = new SteppedClock()
    harness = await BrokerHarness.start({}, undefined, clock, { journalBytes: 0 })
    await harness.store.createTopic('orders')
    expect(await harness.produce('orders', batchOf(['kept']))).toMatchObject({ errorCode: 0 })
  })

  afterEach(() => harness.stop())

  const lines = () => harness.logger.at('error').filter((line) => line.message === message)
  const produceOnFullDisk = async (): Promise<void> => {
    const answer = await harness.produce('orders', batchOf(['x'.repeat(10_000)]))
    expect(answer.errorCode).toBe(errorCodes.kafkaStorageError)
  }

  it('are told once, then with their number every ten seconds', async () => {
    harness.disk.limitSpace(0)
    await produceOnFullDisk()
    expect(lines()).toHaveLength(1)
    expect(lines()[0]!.fields).toMatchObject({ error: expect.stringContaining('ENOSPC'), count: 1 })
    for (let i = 0; i < 3; i++) await produceOnFullDisk()
    clock.advance(9_999)
    await produceOnFullDisk()
    expect(lines()).toHaveLength(1)
    clock.advance(1)
    await produceOnFullDisk()
    expect(lines().map(({ fields }) => fields['count'])).toEqual([1, 5])
    harness.disk.limitSpace(undefined)
    expect(await harness.produce('orders', batchOf(['again']))).toMatchObject({ errorCode: 0 })
    expect(lines()).toHaveLength(2)
  })

  it('are told by kind: one that lasts does not hide another', async () => {
    harness.disk.limitSpace(0)
    await produceOnFullDisk()
    harness.disk.limitSpace(undefined)
    harness.disk.failOperation(harness.disk.operationCount + 2, { errno: 'EIO' })
    const answer = await harness.produce('orders', batchOf(['lost']))
    expect(answer.errorCode).toBe(errorCodes.kafkaStorageError)
    expect(lines().map(({ fields }) => /ENOSPC|EIO/.exec(String(fields['error']))?.[0])).toEqual([
      'ENOSPC',
      'EIO',
    ])
  })

  it('are told when a topic cannot be made, on request or on first use', async () => {
    harness.disk.limitSpace(0)
    const one = { name: 'one', numPartitions: 1, replicationFactor: 1 }
    const topics = [{ ...one, assignments: [], configs: [] }]
    const made = await harness.ask(createTopicsApi, 5, { topics, timeoutMs: 1000 })
    expect(made.topics[0]!.errorCode).toBe(errorCodes.kafkaStorageError)
    expect(lines()).toHaveLength(1)
    clock.advance(10_000)
    const asked = { topics: [{ name: 'two' }], allowAutoTopicCreation: true }
    const answer = await harness.ask(metadataApi, 4, asked)
    expect(answer.topics[0]!.errorCode).toBe(errorCodes.kafkaStorageError)
    expect(lines()).toHaveLength(2)
    harness.disk.limitSpace(undefined)
  })

  it('are no errors of the client: those are told to it alone', async () => {
    const answer = await harness.produce('orders', Buffer.from('no batch'))
    expect(answer.errorCode).not.toBe(errorCodes.none)
    expect(harness.logger.at('error')).toEqual([])
  })
})
