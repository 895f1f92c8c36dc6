/**
 * Goal: who is told of an append may append, send or truncate at once, and nothing of either is lost,
 * mixed up or told wrong. Method: listeners that do so while every way of appending is under way, with
 * appends that wait for their frame, so that listeners are told of those.
 */
import { describe, expect, it } from 'vitest'
import { assert } from '../../src/base/assert.ts'
import type { Log } from '../../src/log/log.ts'
import type { AppendAck } from '../../src/log/log-options.ts'
import { appendClient, clientBatch, openOn, simDisk, valuesIn } from '../support/log-inspection.ts'

async function twoLogs() {
  const store = await openOn(simDisk())
  const config = { 'segment.bytes': '10000000' }
  const [log, other] = await Promise.all(
    ['log', 'other'].map(async (name) => (await store.createTopic(name, { config })).log(0)),
  )
  assert(log !== undefined && other !== undefined, 'both are there')
  for (const one of [log, other]) await one.append('first')
  return { store, log, other }
}

/** Every value that was acknowledged stands where its acknowledgement says. */
function expectWhereTold(log: Log, told: readonly (readonly [string[], AppendAck])[]): void {
  const values = valuesIn(log)
  for (const [sent, { offset, lastOffset }] of told) {
    expect(values.slice(offset, lastOffset + 1)).toEqual(sent)
  }
  const count = told.reduce((sum, [sent]) => sum + sent.length, 1)
  expect(values).toHaveLength(count)
}

/** Ways to append these values, the first of which finds an append that waits. */
const ways: Record<string, (log: Log, values: string[]) => Promise<AppendAck>> = {
  'at level os': (log, values) => log.append(values, { level: 'os' }),
  'at an offset': (log, values) => log.append(values, { expect: log.endOffset }),
  'as a producer': (log, values) =>
    log.append(values, { producer: { id: 1, epoch: 0, sequence: 0 } }),
  'more than waits together': (log, values) => log.append(values),
}

describe.each(Object.entries(ways))('an append %s', (way, append) => {
  it.each(['the other log', 'the same log'])(
    'is not mixed up with one that a listener makes to %s',
    async (where) => {
      const { log, other } = await twoLogs()
      const target = where === 'the same log' ? log : other
      const toldTo: (readonly [string[], Promise<AppendAck>])[] = []
      log.onAppend(() => {
        if (toldTo.length >= 8) return
        const value = `told ${toldTo.length}`
        // Counted before: it is told too.
        const entry = [[value], Promise.resolve() as never as Promise<AppendAck>] as [
          string[],
          Promise<AppendAck>,
        ]
        toldTo.push(entry)
        entry[1] = target.append(value, { level: 'os' })
      })
      const large = way === 'more than waits together'
      const waiting = log.append('waits'.repeat(large ? 20_000 : 1))
      const values = large ? ['x'.repeat(60_000), 'y'] : ['direct', 'two']
      const direct = append(log, values)
      const sent = [
        [['waits'.repeat(large ? 20_000 : 1)], await waiting],
        [values, await direct],
      ] as [string[], AppendAck][]
      // Who is told of an answer to the same log answers again.
      for (let seen = -1; seen < toldTo.length; ) {
        seen = toldTo.length
        await Promise.all(toldTo.map(([, ack]) => ack))
      }
      const answers = await Promise.all(
        toldTo.map(async ([value, ack]) => [value, await ack] as const),
      )
      expect(answers.length).toBeGreaterThan(0)
      if (target === log) expectWhereTold(log, [...sent, ...answers])
      else {
        expectWhereTold(log, sent)
        expectWhereTold(other, answers)
      }
    },
  )
})

describe('a listener', () => {
  it('is told by every way of appending', async () => {
    const { store, log, other } = await twoLogs()
    const table = await store.table('table', { key: 'string', value: 'string' })
    const all: Record<string, () => Promise<unknown>> = {
      'for the disk': () => log.append('x'),
      'more than waits together': () => log.append(['x'.repeat(100_000), 'y'.repeat(100_000)]),
      'at level os': () => log.append('x', { level: 'os' }),
      'as a producer': () => log.append('x', { producer: { id: 1, epoch: 0, sequence: 0 } }),
      'of a writer': () => log.writer({ lingerMs: 0 }).send('x'),
      'in a group': () => {
        return store.atomic((tx) => {
          tx.append(log, 'x')
          tx.append(other, 'x')
        })
      },
      'in a group of one': () => store.atomic((tx) => tx.append(log, 'x')),
      'a batch of a client': async () => appendClient(log, clientBatch(['x'])),
    }
    let seen = log.endOffset
    log.onAppend(() => {
      seen = log.endOffset
    })
    for (const [way, append] of Object.entries(all)) {
      await append()
      expect([way, seen]).toEqual([way, log.endOffset])
    }
    let isTold = false
    table.log.onAppend(() => {
      isTold = table.get('k') === 'v'
    })
    await table.put('k', 'v')
    expect(isTold).toBe(true)
  })
})

describe('an atomic group', () => {
  it('is not mixed up with what a listener appends while it is collected', async () => {
    const { store, log, other } = await twoLogs()
    const third = await store.log('third')
    let told = 0
    log.onAppend(() => {
      if (told++ < 4) void third.append('told', { level: 'os' })
    })
    const waiting = log.append('waits')
    await store.atomic((tx) => {
      tx.append(log, ['in log', 'too'])
      tx.append(other, 'in other')
    })
    await waiting
    expect(valuesIn(log)).toEqual(['first', 'waits', 'in log', 'too'])
    expect(valuesIn(other)).toEqual(['first', 'in other'])
    expect(new Set(valuesIn(third))).toEqual(new Set(['told']))
  })
})

describe('an atomic group that finds appends waiting', () => {
  it('is refused when who is told of them moves the end that it expects', async () => {
    const { store, log, other } = await twoLogs()
    let told = 0
    other.onAppend(() => {
      if (told++ === 0) void log.append('told', { level: 'os' })
    })
    const waiting = other.append('waits')
    const group = store.atomic((tx) => {
      tx.append(log, 'group', { expect: 1 })
      tx.append(other, 'group')
    })
    await expect(group).rejects.toMatchObject({ code: 'ERR_CONFLICT', expected: 1, found: 2 })
    await waiting
    expect([valuesIn(log), valuesIn(other)]).toEqual([
      ['first', 'told'],
      ['first', 'waits'],
    ])
  })

  it.each(['os', 'disk'] as const)(
    'stands where it says, though logs answer each other at %s',
    async (level) => {
      const { store, log, other } = await twoLogs()
      const acks: Promise<unknown>[] = []
      let answers = 0
      const answering = (from: Log, to: Log) => {
        from.onAppend(() => {
          if (answers < 12) acks.push(to.append(`answer ${answers++}`, { level }))
        })
      }
      answering(log, other)
      answering(other, log)
      const waiting = [log.append('waits'), other.append('waits')]
      const { appends } = await store.atomic((tx) => {
        tx.append(log, ['group', 'of log'])
        tx.append(other, ['group', 'of other'])
      })
      await Promise.all([...waiting, ...acks])
      const [ofLog, ofOther] = appends
      expect(valuesIn(log).slice(ofLog!.offset, ofLog!.lastOffset + 1)).toEqual(['group', 'of log'])
      expect(valuesIn(other).slice(ofOther!.offset, ofOther!.lastOffset + 1)).toEqual([
        'group',
        'of other',
      ])
      expect(log.endOffset + other.endOffset).toBe(2 + 2 + 4 + acks.length)
    },
  )
})

describe('a listener that truncates', () => {
  it.each(['append', 'writer', 'group'])(
    'has who appended told that it is gone (%s)',
    async (way) => {
      const { store, log, other } = await twoLogs()
      log.onAppend(() => log.truncate(1))
      const writer = log.writer({ lingerMs: 0 })
      const appending = {
        append: () => log.append('gone', { producer: { id: 1, epoch: 0, sequence: 0 } }),
        writer: () => writer.send('gone'),
        group: () => {
          return store.atomic((tx) => {
            tx.append(log, 'gone')
            tx.append(other, 'stays')
          })
        },
      }[way] as () => Promise<unknown>
      await expect(appending()).rejects.toMatchObject({ code: 'ERR_OFFSET_OUT_OF_RANGE' })
      expect(valuesIn(log)).toEqual(['first'])
    },
  )
})

describe('a writer', () => {
  it('sends what a listener of its own batches sends, once, and where it says', async () => {
    const { log } = await twoLogs()
    const writer = log.writer({ lingerMs: 0, level: 'os' })
    const sent: (readonly [string, Promise<{ offset: number }>])[] = []
    const send = (value: string) => {
      if (sent.length < 40) sent.push([value, writer.send(value)])
    }
    log.onAppend(() => send(`told ${sent.length}`))
    send('a')
    send('b')
    const waiting = log.append('waits')
    await writer.flush()
    await waiting
    while (sent.length < 40) await new Promise((resolve) => setImmediate(resolve))
    await writer.flush()
    const values = valuesIn(log)
    for (const [value, ack] of sent) expect(values[(await ack).offset]).toBe(value)
    expect(values).toHaveLength(sent.length + 2)
  })
})
