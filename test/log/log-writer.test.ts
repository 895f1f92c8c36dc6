/**
 * Goal: every record that a writer takes is in the log or its promise rejects, whatever ends first:
 * the batch, its time, the writer, the log, or the program.
 * Method: a store on a simulated disk and a clock that goes on when told; child processes for the
 * end of a program.
 */
import { execFile } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openOn, simDisk, valuesIn } from '../support/log-inspection.ts'
import { SteppedClock } from '../support/stepped-clock.ts'
import { withTemporaryDirectory } from '../support/temporary-directory.ts'

async function openLog() {
  const [disk, clock] = [simDisk(), new SteppedClock(1000)]
  const store = await openOn(disk, { clock })
  return { disk, clock, store, log: await store.log('t') }
}

describe('a writer', () => {
  it('sends by size, by time and on close, and fails one bad record alone', async () => {
    const { log } = await openLog()
    const writer = log.writer({ lingerMs: 0, batchBytes: 300 })
    const acks = [writer.send('a'), writer.send({ value: 'b' })]
    const bad = writer.send({ value: 12 as never })
    const huge = writer.send('x'.repeat(2000))
    const last = writer.send('c')
    await expect(bad).rejects.toMatchObject({ code: 'ERR_OPTION_INVALID' })
    await expect(huge).rejects.toMatchObject({ code: 'ERR_BATCH_TOO_LARGE' })
    expect((await Promise.all(acks)).map(({ offset }) => offset)).toEqual([0, 1])
    await writer.close()
    expect((await last).offset).toBe(2)
    await expect(writer.send('d')).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })

  it.each([
    [0, 'shares a reading of the clock among a few records of one turn', [1000, 1000, 1031, 2033]],
    [5, 'reads the clock for every record that waits longer', [1000, 1030, 1031, 2033]],
  ])('with lingerMs %i %s', async (lingerMs, _, expected) => {
    const clock = new SteppedClock(1000)
    const log = await (await openOn(simDisk(), { clock })).log('t')
    const writer = log.writer({ lingerMs, level: 'os' })
    const sent = []
    for (let i = 0; i < 34; i++) {
      sent.push(writer.send('x'))
      clock.advance(i === 0 ? 0 : 1)
    }
    await writer.flush()
    clock.advance(1000)
    sent.push(writer.send('y'))
    await writer.close()
    await Promise.all(sent)
    const times: number[] = []
    const cursor = log.cursor()
    while (cursor.next()) times.push(cursor.timestamp)
    expect([times[0], times[31], times[32], times[34]]).toEqual(expected)
  })

  it('lets a record with huge headers fail alone', async () => {
    const { log } = await openLog()
    const writer = log.writer({ lingerMs: 0, batchBytes: 900 })
    const first = writer.send('a')
    const huge = writer.send({ value: 'b', headers: { h: 'x'.repeat(2000) } })
    await expect(huge).rejects.toMatchObject({ code: 'ERR_BATCH_TOO_LARGE' })
    expect((await first).offset).toBe(0)
  })
})

describe('a writer whose records wait', () => {
  it.each([0, 60_000])(
    'has them written when its store is closed, lingerMs %i',
    async (lingerMs) => {
      const { disk, store, log } = await openLog()
      const writer = log.writer({ lingerMs })
      const acks = ['a', 'b'].map((value) => writer.send(value))
      await store.close()
      expect(await Promise.all(acks)).toEqual([
        { offset: 0, level: 'disk' },
        { offset: 1, level: 'disk' },
      ])
      const again = await openOn(disk.crash())
      expect(valuesIn(await again.log('t'))).toEqual(['a', 'b'])
    },
  )

  it('has them written also when nothing else was since the store was opened', async () => {
    const { disk, store } = await openLog()
    await store.close()
    const second = await openOn(disk)
    const sent = (await second.log('t')).writer({ lingerMs: 60_000 }).send('a')
    await second.close()
    expect((await sent).offset).toBe(0)
    expect(valuesIn(await (await openOn(disk)).log('t'))).toEqual(['a'])
  })

  it('is told at once that they cannot be, when its topic is deleted', async () => {
    const { clock, store, log } = await openLog()
    const sent = log.writer({ lingerMs: 60_000, level: 'os' }).send('a')
    const outcome = expect(sent).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    const { pending } = clock
    await store.deleteTopic('t')
    await outcome
    // The time it would have waited is not waited for.
    expect(clock.pending).toBeLessThan(pending)
  })

  it('is told at once that the log is closed already', async () => {
    const { store, log } = await openLog()
    const writer = log.writer({ lingerMs: 60_000 })
    await store.close()
    await expect(writer.send('a')).rejects.toMatchObject({ code: 'ERR_CLOSED' })
    await expect(writer.send('b')).rejects.toMatchObject({ code: 'ERR_CLOSED' })
  })
})

describe('a program that waits for a writer', () => {
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
  const library = pathToFileURL(`${root}/dist/public.js`).href

  it('does not end before the record is written', async () => {
    await withTemporaryDirectory(async (directory) => {
      const program = `
        import { openStore } from ${JSON.stringify(library)}
        const store = await openStore(${JSON.stringify(directory)})
        const writer = (await store.log('t')).writer()
        console.log((await writer.send('a')).offset)
        await store.close()`
      const args = ['--input-type=module', '--eval', program]
      const outcome = await new Promise((resolve) => {
        execFile(process.execPath, args, (error, out) => resolve([error?.code ?? 0, out]))
      })
      expect(outcome).toEqual([0, '0\n'])
    })
  })
})
