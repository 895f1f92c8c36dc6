// Covers topic-defaults.ts and what Store makes of it.
// Goal: defaults given while a store is in use are whole or absent after any crash, go before what
// it is opened with, and a change that fails leaves everything as it was.
// Method: a store on the simulated disk, crashed at every operation of a change.
import { describe, expect, it } from 'vitest'
import { InvalidOptionError } from '../../src/base/errors.ts'
import { crashClasses } from '../../src/platform/sim-crash-class.ts'
import type { Store } from '../../src/store/store.ts'
import { openOn, simDisk } from '../support/log-inspection.ts'

const given = { 'segment.bytes': '4096', 'retention.bytes': '7' }

describe('defaults of topics', () => {
  it('go before what the store is opened with, the node’s first, and behind the topic’s own', async () => {
    const disk = simDisk()
    const store = await openOn(disk)
    await store.createTopic('own', { config: { 'retention.ms': '1' } })
    await store.createTopic('other')
    await store.alterTopicDefaults('cluster', () => ({ 'retention.ms': '3', 'segment.ms': '3' }))
    await store.alterTopicDefaults('node', () => ({ 'retention.ms': '2' }))
    await store.close()
    const again = await openOn(disk, {
      config: { 'retention.ms': '4', 'segment.ms': '4', 'retention.bytes': '4' },
    })
    const names = ['retention.ms', 'segment.ms', 'retention.bytes']
    const settings = (topic: string) =>
      names.map((name) => again.topic(topic)!.config.get(name)).join()
    expect([settings('own'), settings('other')]).toEqual(['1,3,4', '2,3,4'])
    expect(again.topicDefaults).toMatchObject({ node: { 'retention.ms': '2' } })
    await again.createTopic('new')
    expect(settings('new')).toBe('2,3,4')
    await again.close()
  })

  it('are whole or absent after a crash at every operation of the change', async () => {
    const prepare = async () => {
      const disk = simDisk(3)
      const store = await openOn(disk)
      await store.createTopic('t')
      return { disk, store, before: disk.operationCount }
    }
    const change = (store: Store) => store.alterTopicDefaults('node', () => given)
    const whole = await prepare()
    await change(whole.store)
    const count = whole.disk.operationCount - whole.before
    expect(count).toBeGreaterThan(1)
    for (let stop = 1; stop <= count; stop++) {
      const { disk, store, before } = await prepare()
      disk.stopAt(before + stop)
      const isAnswered = await change(store).then(
        () => true,
        (error: unknown) => {
          if (!String(error).includes('stopped')) throw error
          return false
        },
      )
      for (const crashClass of crashClasses) {
        const again = await openOn(disk.crash({ class: crashClass }))
        const { node } = again.topicDefaults
        expect(isAnswered ? [given] : [{}, given]).toContainEqual(node)
        await again.close()
      }
    }
    const last = await openOn(whole.disk.crash())
    expect(last.topicDefaults.node).toEqual(given)
    await last.close()
  })

  it('stay as they were when a change is wrong, and can be changed after that', async () => {
    const store = await openOn(simDisk())
    await store.alterTopicDefaults('node', () => given)
    const wrong = store.alterTopicDefaults('node', () => ({ 'segment.bytes': '1' }))
    const unknown = store.alterTopicDefaults('node', () => ({ 'no.such': '1' }))
    const thrown = store.alterTopicDefaults('node', () => {
      throw new RangeError('not so')
    })
    const right = store.alterTopicDefaults('node', (now) => ({ ...now, 'segment.ms': '5' }))
    await expect(wrong).rejects.toThrow(InvalidOptionError)
    await expect(unknown).rejects.toThrow(InvalidOptionError)
    await expect(thrown).rejects.toThrow('not so')
    await right
    expect(store.topicDefaults.node).toEqual({ ...given, 'segment.ms': '5' })
    await store.close()
    await expect(store.alterTopicDefaults('node', () => ({}))).rejects.toMatchObject({
      code: 'ERR_CLOSED',
    })
  })
})
