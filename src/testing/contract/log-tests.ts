/** What appends, levels, reads and expected offsets of a log must do. */
import assert from 'node:assert/strict'
import type { DurabilityLevel } from '../../base/types.ts'
import type { StorageLog } from '../../store/log-storage.ts'
import { failsWith, numbers, recordsOf, type Section, turn, valuesOf } from './trial.ts'

const levels: readonly DurabilityLevel[] = ['memory', 'os', 'disk']

/** Appends batches of 1, 2, 3, 1, 2, 3 … records that say their offsets. */
async function fill(log: StorageLog, batchCount: number): Promise<void> {
  for (let at = 0; at < batchCount; at++) {
    const first = log.endOffset
    const values = numbers(first, first + 1 + (at % 3)).map(String)
    await log.append(values, { level: 'os' })
  }
}

export const appendTests: Section = (it) => {
  it('gives dense, ascending offsets from 0 on', async (trial) => {
    const log = await trial.log()
    assert.deepEqual([log.startOffset, log.endOffset], [0, 0], 'a new log is empty')
    assert.deepEqual(await recordsOf(log), [])
    let end = 0
    for (const count of [1, 5, 1, 300, 2]) {
      const records = numbers(end, end + count).map(String)
      const { offset, lastOffset } = await log.append(records, { level: 'os' })
      assert.deepEqual({ offset, lastOffset }, { offset: end, lastOffset: end + count - 1 })
      end += count
      assert.equal(log.endOffset, end)
    }
    assert.deepEqual(await valuesOf(log), numbers(0, end).map(String))
  })

  it('gives back what was given', async (trial) => {
    const log = await trial.log()
    const everyByte = Buffer.from(numbers(0, 256))
    const large = Buffer.alloc(100_000, everyByte)
    const before = Date.now()
    await log.append('text', { level: 'os' })
    const after = Date.now()
    await log.append(
      [
        { key: null, value: null, timestamp: 1 },
        { key: '', value: '', timestamp: 1_700_000_000_000 },
        { key: everyByte, value: large, timestamp: 2 },
        { key: 'schlüssel', value: 'größe', timestamp: 3 },
        {
          value: 'v',
          timestamp: 4,
          headers: [
            { key: 'h', value: 'one' },
            { key: 'h', value: null },
            { key: 'bytes', value: everyByte },
          ],
        },
      ],
      { level: 'os' },
    )
    const [text, ...others] = await recordsOf(log)
    assert(text !== undefined && text.timestamp >= before && text.timestamp <= after)
    assert.deepEqual([text.key, text.value, text.headers], [null, Buffer.from('text'), []])
    const empty = Buffer.alloc(0)
    assert.deepEqual(
      others.map(({ offset, timestamp, key, value }) => ({ offset, timestamp, key, value })),
      [
        { offset: 1, timestamp: 1, key: null, value: null },
        { offset: 2, timestamp: 1_700_000_000_000, key: empty, value: empty },
        { offset: 3, timestamp: 2, key: everyByte, value: large },
        { offset: 4, timestamp: 3, key: Buffer.from('schlüssel'), value: Buffer.from('größe') },
        { offset: 5, timestamp: 4, key: null, value: Buffer.from('v') },
      ],
    )
    assert.deepEqual(others[4]?.headers, [
      { key: 'h', value: Buffer.from('one') },
      { key: 'h', value: null },
      { key: 'bytes', value: everyByte },
    ])
  })

  it('copies what it is given before the call returns', async (trial) => {
    const log = await trial.log()
    const value = Buffer.from('before')
    const done = log.append(value, { level: 'os' })
    value.write('after!')
    await done
    assert.deepEqual(await valuesOf(log), ['before'])
  })

  it('stores appends that overlap in the order of the calls', async (trial) => {
    const log = await trial.log()
    const calls = numbers(0, 300).map((at) =>
      log.append([`${at}`, `${at}+`], { level: levels[at % levels.length] as DurabilityLevel }),
    )
    const acks = await Promise.all(calls)
    assert.deepEqual(
      acks.map(({ offset, lastOffset }) => [offset, lastOffset]),
      numbers(0, 300).map((at) => [2 * at, 2 * at + 1]),
    )
    assert.deepEqual(
      await valuesOf(log),
      numbers(0, 300).flatMap((at) => [`${at}`, `${at}+`]),
    )
  })

  it('keeps many logs apart', async (trial) => {
    const names = numbers(0, 40).map((at) => `log-${at}`)
    const logs = await Promise.all(names.map((name) => trial.log(name)))
    const rounds = numbers(0, 5).flatMap((round) =>
      logs.map((log, at) => log.append(`${at}/${round}`, { level: 'disk' })),
    )
    await Promise.all(rounds)
    for (const [at, log] of logs.entries()) {
      assert.deepEqual(
        await valuesOf(log),
        numbers(0, 5).map((round) => `${at}/${round}`),
      )
    }
  })

  it('shows one log to everybody who asks for its name', async (trial) => {
    const [one, other] = await Promise.all([trial.log('same'), trial.log('same')])
    await one.append('a', { level: 'os' })
    await other.append('b', { level: 'os' })
    assert.deepEqual(await valuesOf(await trial.log('same')), ['a', 'b'])
    assert.equal(one.endOffset, 2)
  })
}

export const levelTests: Section = (it) => {
  it('says a level that is at least the one asked for, and is disk by default', async (trial) => {
    const log = await trial.log()
    for (const level of levels) {
      const ack = await log.append('x', { level })
      assert(levels.indexOf(ack.level) >= levels.indexOf(level), `${ack.level} is below ${level}`)
    }
    assert.equal((await log.append('x')).level, 'disk')
    assert.equal((await log.append('x', {})).level, 'disk')
  })

  it('has made durable what it acknowledges at disk, and all before it', async (trial) => {
    const log = await trial.log()
    for (let at = 0; at < 20; at++) {
      await log.append('os', { level: 'os' })
      assert(log.durableOffset <= log.endOffset, 'what is durable was appended')
      const { lastOffset } = await log.append('disk', { level: 'disk' })
      assert(log.durableOffset > lastOffset, `${lastOffset} is below ${log.durableOffset}`)
    }
  })

  it('makes durable what is waited for, and everything at a flush', async (trial) => {
    const logs = await Promise.all([trial.log('a'), trial.log('b')])
    for (const log of logs) await fill(log, 5)
    const [first, second] = logs
    assert(first !== undefined && second !== undefined)
    await first.reached('disk', first.endOffset)
    assert.equal(first.durableOffset, first.endOffset)
    await first.reached('os', first.endOffset)
    await first.reached('disk', 0)
    await fill(first, 1)
    await trial.storage.flush()
    for (const log of logs) assert.equal(log.durableOffset, log.endOffset)
  })

  it('waits for an offset that is not appended yet', async (trial) => {
    const log = await trial.log()
    let isReached = false
    const reached = log.reached('disk', 2).then(() => {
      isReached = true
    })
    await log.append('0', { level: 'disk' })
    await turn()
    assert.equal(isReached, false)
    await log.append('1', { level: 'os' })
    await reached
    assert(log.durableOffset >= 2)
  })
}

export const readTests: Section = (it) => {
  it('gives exactly the records from `from` up to `to`', async (trial) => {
    const log = await trial.log()
    await fill(log, 9)
    const end = log.endOffset
    for (const from of numbers(0, end + 1)) {
      for (const to of numbers(0, end + 3)) {
        const records = await recordsOf(log, { from, to })
        const expected = numbers(from, Math.min(to, end))
        const found = records.map(({ offset }) => offset)
        assert.deepEqual(found, expected, `from ${from} to ${to}`)
        assert.deepEqual(
          records.map(({ value }) => String(value)),
          expected.map(String),
        )
      }
    }
  })

  it('ends where the log ended at the call', async (trial) => {
    const log = await trial.log()
    await fill(log, 3)
    const end = log.endOffset
    const read = log.read()
    await fill(log, 3)
    const offsets: number[] = []
    for await (const { offset } of read) offsets.push(offset)
    assert.deepEqual(offsets, numbers(0, end))
  })

  it('refuses to begin outside of the log, and says where it lies', async (trial) => {
    const log = await trial.log()
    await fill(log, 4)
    const { endOffset } = log
    assert.deepEqual(await recordsOf(log, { from: endOffset }), [])
    for (const from of [endOffset + 1, endOffset + 1000]) {
      const read = (): unknown => recordsOf(log, { from })
      const { logStartOffset, logEndOffset } = await failsWith('ERR_OFFSET_OUT_OF_RANGE', read)
      assert.deepEqual([logStartOffset, logEndOffset], [0, endOffset])
    }
  })

  it('serves readers side by side, also those that leave early', async (trial) => {
    const log = await trial.log()
    await fill(log, 60)
    const readers = numbers(0, 10).map(async (from) => {
      const seen: number[] = []
      for await (const { offset } of log.read({ from })) {
        seen.push(offset)
        if (from % 2 === 1 && seen.length === 20) break
      }
      return seen
    })
    for (const [from, seen] of (await Promise.all(readers)).entries()) {
      assert.deepEqual(seen, numbers(from, from % 2 === 1 ? from + 20 : log.endOffset))
    }
  })

  it('leaves records to their reader as they are', async (trial) => {
    const log = await trial.log()
    const value = 'v'.repeat(5000)
    for (let at = 0; at < 100; at++) await log.append(`${at}${value}`, { level: 'os' })
    const kept = await recordsOf(log)
    for (let at = 0; at < 100; at++) await log.append('other', { level: 'os' })
    await recordsOf(log)
    assert.deepEqual(
      kept.map((record) => String(record.value)),
      numbers(0, 100).map((at) => `${at}${value}`),
    )
  })
}

export const expectedOffsetTests: Section = (it) => {
  it('appends where the log ends as expected, and nowhere else', async (trial) => {
    const log = await trial.log()
    await log.append(['a', 'b'], { level: 'os', expect: 0 })
    for (const expect of [0, 1, 3, 1000]) {
      await failsWith('ERR_CONFLICT', () => log.append('never', { level: 'os', expect }))
      assert.equal(log.endOffset, 2, 'nothing was written')
    }
    const { offset } = await log.append('c', { level: 'disk', expect: 2 })
    assert.equal(offset, 2)
    assert.deepEqual(await valuesOf(log), ['a', 'b', 'c'])
  })

  it('lets one of many who expect the same append', async (trial) => {
    const log = await trial.log()
    for (let round = 0; round < 10; round++) {
      const calls = numbers(0, 8).map((at) =>
        log.append(`${round}/${at}`, { level: at % 2 === 0 ? 'os' : 'disk', expect: round }),
      )
      const results = await Promise.allSettled(calls)
      const refused = results.flatMap((result) =>
        result.status === 'rejected' ? [result.reason.code] : [],
      )
      assert.deepEqual(refused, Array(7).fill('ERR_CONFLICT'))
      assert.equal(log.endOffset, round + 1)
    }
    assert.equal((await valuesOf(log)).length, 10)
  })
}
