/** Goal: a table has one object, one pair of codecs and one writer; nothing takes it for a topic. */
import { describe, expect, it } from 'vitest'
import {
  InvalidOptionError,
  InvalidTopicError,
  TableCodecError,
  TopicExistsError,
  UnknownTopicError,
} from '../../src/base/errors.ts'
import { dataPath, openOn, simDisk } from '../support/log-inspection.ts'

const text = { key: 'string', value: 'string' } as const

describe('tables of a store', () => {
  it('are the same object for the same name, also when asked for at once', async () => {
    const store = await openOn(simDisk())
    const [a, b] = await Promise.all([store.table('t', text), store.table('t', text)])
    expect(a).toBe(b)
    expect(await store.table('t', text)).toBe(a)
    expect(await store.table('u', text)).not.toBe(a)
    expect(store.tables()).toEqual(
      new Map([
        ['t', text],
        ['u', text],
      ]),
    )
  })

  it('keep their codecs over restarts: others are refused and nothing is written', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    await (await store.table('t', text)).put('a', '1')
    const wrong = { key: 'string', value: 'json' } as const
    await expect(store.table('t', wrong)).rejects.toThrow(TableCodecError)
    await store.close()
    const again = await openOn(disk)
    const operations = disk.operationCount
    await expect(again.table('t', wrong)).rejects.toThrow(
      'values of table t are stored as string: expected json',
    )
    await expect(again.table('t', { key: 'bytes', value: 'string' })).rejects.toThrow(
      TableCodecError,
    )
    await expect(again.table('t', { key: 'text', value: 'string' } as never)).rejects.toThrow(
      InvalidOptionError,
    )
    await expect(again.table('new', { key: 'text', value: 'string' } as never)).rejects.toThrow(
      InvalidOptionError,
    )
    await expect(again.table('new', { key: 'string' } as never)).rejects.toThrow(InvalidOptionError)
    await expect(again.table('new', { ...text, size: 1 } as never)).rejects.toThrow(
      InvalidOptionError,
    )
    await expect(again.table('a/b', text)).rejects.toThrow(InvalidTopicError)
    await expect(again.table('__stratalog', text)).rejects.toThrow(InvalidTopicError)
    expect(disk.operationCount).toBe(operations)
    expect(again.topic('new')).toBeUndefined()
    expect((await again.table('t', text)).get('a')).toBe('1')
  })

  it('are no topics, and topics are no tables', async () => {
    const store = await openOn(simDisk())
    await store.table('t', text)
    await store.createTopic('topic')
    await expect(store.table('topic', text)).rejects.toThrow(TopicExistsError)
    await expect(store.log('t')).rejects.toThrow(InvalidTopicError)
    await expect(store.deleteTopic('t')).rejects.toThrow(InvalidTopicError)
    await expect(store.addPartitions('t', 2)).rejects.toThrow(InvalidTopicError)
    await expect(store.createTopic('t')).rejects.toThrow(TopicExistsError)
    await expect(store.deleteTable('topic')).rejects.toThrow(UnknownTopicError)
    expect(store.topic('t')).toMatchObject({ isInternal: true, partitionCount: 1, table: text })
    const { config } = store.topic('t')!
    expect([config.get('retention.ms'), config.get('retention.bytes')]).toEqual(['-1', '-1'])
  })

  it('can be deleted and made anew, with other codecs', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    const table = await store.table('t', text)
    await table.put('a', '1')
    const watcher = table.watch()
    await store.deleteTable('t')
    expect((await watcher.next()).done).toBe(true)
    expect(() => table.get('a')).toThrow('table t is closed')
    expect(store.tables().size).toBe(0)
    const anew = await store.table('t', { key: 'uint64', value: 'json' })
    expect(anew.size).toBe(0)
    await anew.put(1, { a: 1 })
    await store.close()
    const again = await openOn(disk)
    expect((await again.table('t', { key: 'uint64', value: 'json' })).get(1)).toEqual({ a: 1 })
    await expect(again.deleteTable('none')).rejects.toThrow(UnknownTopicError)
  })

  it('can be asked for at any moment of their deletion', async () => {
    for (let microtasks = 0; microtasks < 60; microtasks++) {
      const store = await openOn(simDisk())
      await (await store.table('t', text)).put('a', 'old')
      const deleting = store.deleteTable('t')
      for (let i = 0; i < microtasks; i++) await undefined
      const meanwhile = await store.table('t', text)
      await deleting
      // It is the one that was deleted, and closed, or the one after it.
      const isClosed = meanwhile !== (await store.table('t', text))
      if (isClosed) expect(() => meanwhile.get('a')).toThrow('table t is closed')
      const anew = await store.table('t', text)
      expect(anew.get('a')).toBeUndefined()
      await anew.put('a', 'new')
      expect((await store.table('t', text)).get('a')).toBe('new')
      await store.close()
    }
  })

  it('hold whatever the defaults of topics are', async () => {
    const disk = simDisk()
    const config = { 'cleanup.policy': 'compact', 'message.timestamp.type': 'LogAppendTime' }
    const store = await openOn(disk, { config })
    const table = await store.table('t', text)
    await table.put('', 'empty key')
    await table.put('a', '1')
    expect([...table.keys()]).toEqual(['', 'a'])
  })

  it('finish or give up their snapshots before the store closes', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    const table = await store.table('t', { key: 'uint64', value: 'string', snapshotBytes: 1 })
    for (let i = 0; i < 100; i++) {
      const value = `${i}`.padEnd(20_000)
      await table.put(i, value, { level: 'os' })
    }
    await store.close()
    const names = disk.readDirectory(`${dataPath}/t-0`)
    expect(names.filter((name) => name.endsWith('.tmp'))).toEqual([])
    const again = await (await openOn(disk)).table('t', { key: 'uint64', value: 'string' })
    expect([again.size, again.get(99)?.trim()]).toEqual([100, '99'])
  })
})
