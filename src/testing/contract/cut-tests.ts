/** What dropping records from either end of a log must do. */
import assert from 'node:assert/strict'
import { failsWith, numbers, recordsOf, type Section, valuesOf } from './trial.ts'

export const cutTests: Section = (it) => {
  it('trims what lies below an offset, wherever batches lie', async (trial) => {
    const log = await trial.log()
    const values = numbers(0, 30).map(String)
    for (let at = 0; at < 30; at += 3) await log.append(values.slice(at, at + 3), { level: 'os' })
    for (const to of [1, 2, 3, 7, 29]) {
      await log.trim(to)
      assert.deepEqual([log.startOffset, log.endOffset], [to, 30])
      assert.deepEqual(await valuesOf(log), values.slice(to))
      const below = (): unknown => recordsOf(log, { from: to - 1 })
      const { logStartOffset } = await failsWith('ERR_OFFSET_OUT_OF_RANGE', below)
      assert.equal(logStartOffset, to)
    }
  })

  it('never brings back what was trimmed, and trims no further than the end', async (trial) => {
    const log = await trial.log()
    await log.append(numbers(0, 10).map(String), { level: 'os' })
    await log.trim(6)
    for (const to of [0, 5, 6]) {
      await log.trim(to)
      assert.equal(log.startOffset, 6)
    }
    await failsWith(['ERR_OPTION_INVALID', 'ERR_OFFSET_OUT_OF_RANGE'], () => log.trim(11))
    assert.deepEqual(await valuesOf(log), ['6', '7', '8', '9'])
  })

  it('goes on with the next offset when all was trimmed', async (trial) => {
    const log = await trial.log()
    await log.append(['a', 'b'], { level: 'os' })
    await log.trim(2)
    assert.deepEqual([log.startOffset, log.endOffset], [2, 2])
    assert.deepEqual(await valuesOf(log), [])
    assert.equal((await log.append('c')).offset, 2)
    assert.deepEqual(await valuesOf(log), ['c'])
  })

  it('truncates whole batches, and goes on where it has cut', async (trial) => {
    const log = await trial.log()
    for (const batch of [['0', '1'], ['2', '3', '4'], ['5'], ['6', '7']]) {
      await log.append(batch, { level: 'disk' })
    }
    await log.truncate(8)
    await log.truncate(1000)
    assert.equal(log.endOffset, 8, 'there is nothing to drop')
    await log.truncate(6)
    assert.deepEqual(await valuesOf(log), ['0', '1', '2', '3', '4', '5'])
    await log.truncate(4)
    assert.equal(log.endOffset, 2, 'the batch that holds the offset goes as a whole')
    assert(log.durableOffset <= 2, 'what is gone is not durable')
    const { offset } = await log.append(['new'], { level: 'disk' })
    assert.equal(offset, 2)
    assert.deepEqual(await valuesOf(log), ['0', '1', 'new'])
    await log.truncate(0)
    assert.deepEqual([log.startOffset, log.endOffset], [0, 0])
    await log.append('again')
    assert.deepEqual(await valuesOf(log), ['again'])
  })

  it('keeps one log as it is when another is cut', async (trial) => {
    const [one, other] = await Promise.all([trial.log('one'), trial.log('other')])
    for (const log of [one, other]) await log.append(['a'], { level: 'os' })
    for (const log of [one, other]) await log.append(['b'], { level: 'os' })
    await one.truncate(1)
    await one.trim(1)
    assert.deepEqual(await valuesOf(one), [])
    assert.deepEqual(await valuesOf(other), ['a', 'b'])
  })
}
