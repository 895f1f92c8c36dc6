/**
 * Goal: a log that cannot be written loses lines, says how many, and never throws.
 * Method: a write of our own that fails, or is short, when it is told to.
 */
import { describe, expect, it } from 'vitest'
import { LogOutput } from '../../src/platform/log-output.ts'

/** An output with room for `room` bytes; none left is ENOSPC. */
class Disk {
  room = Infinity
  text = ''
  readonly output = new LogOutput(2, (_, bytes) => {
    if (this.room === 0) throw Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })
    const count = Math.min(bytes.length, this.room)
    this.text += Buffer.from(bytes.subarray(0, count)).toString()
    this.room -= count
    return count
  })

  get lines(): string[] {
    return this.text.split('\n').slice(0, -1)
  }
}

const lost = (lines: number) => ({ level: 40, lines, error: 'Error: ENOSPC: no space left' })

describe('LogOutput', () => {
  it('writes every line, in as many pieces as it takes', () => {
    const pieces: Uint8Array[] = []
    const output = new LogOutput(2, (_, bytes) => {
      pieces.push(bytes.slice(0, 3))
      return Math.min(bytes.length, 3)
    })
    output.write('{"é":1}\n')
    output.write('{}\n')
    expect(Buffer.concat(pieces).toString()).toBe('{"é":1}\n{}\n')
  })

  it('says how many lines are lost before the next that is written', () => {
    const disk = new Disk()
    disk.output.write('{"a":1}\n')
    disk.room = 0
    for (let i = 0; i < 3; i++) disk.output.write('{"b":2}\n')
    disk.room = Infinity
    disk.output.write('{"c":3}\n')
    disk.output.write('{"d":4}\n')
    const parsed = disk.lines.map((line) => JSON.parse(line))
    expect(parsed).toEqual([
      { a: 1 },
      { ...lost(3), time: expect.any(Number), msg: 'lines of this log could not be written' },
      { c: 3 },
      { d: 4 },
    ])
  })

  it('begins a line of its own behind one that was cut', () => {
    const disk = new Disk()
    disk.room = 4
    disk.output.write('{"a":1}\n')
    disk.room = Infinity
    disk.output.write('{"b":2}\n')
    const [cut, told, next] = disk.lines
    expect(cut).toBe('{"a"')
    expect(JSON.parse(told as string)).toMatchObject(lost(1))
    expect(next).toBe('{"b":2}')
  })

  it('does not wait for an output that takes nothing', () => {
    const output = new LogOutput(2, () => 0)
    expect(() => output.write('{"a":1}\n')).not.toThrow()
  })

  it('counts on when there is no room to say what was lost', () => {
    const disk = new Disk()
    disk.room = 0
    disk.output.write('{"a":1}\n')
    disk.room = 10
    disk.output.write('{"b":2}\n')
    disk.room = Infinity
    disk.output.write('{"c":3}\n')
    expect(JSON.parse(disk.lines.at(-2) as string)).toMatchObject(lost(2))
    expect(disk.lines.at(-1)).toBe('{"c":3}')
  })
})
