/**
 * Goal: regions of files arrive between the bytes around them and are released, whatever the peer does.
 * Method: real loopback sockets and a real file; the handler does what a request's text says.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { FileSlice } from '../../src/platform/file-slice.ts'
import type { File } from '../../src/platform/file-system.ts'
import { nodeFileSystem } from '../../src/platform/node-file-system.ts'
import { framed, portOf, type ScriptedServer, startScripted } from '../support/scripted-server.ts'
import { TcpClient } from '../support/tcp-client.ts'

let scripted: ScriptedServer
const clients: TcpClient[] = []

beforeEach(async () => {
  scripted = await startScripted()
})

afterEach(async () => {
  for (const connected of clients.splice(0)) connected.close()
  await scripted.server.close({ deadlineMs: 100 })
})

async function client(): Promise<TcpClient> {
  const connected = await TcpClient.connect(portOf(scripted.server))
  clients.push(connected)
  return connected
}

const text = async (frame: Promise<Buffer>) => (await frame).toString()

describe('file regions', () => {
  const directory = mkdtempSync(join(tmpdir(), 'stratalog-net-'))
  const content = Buffer.alloc(9_000_000)
  let file: File

  beforeAll(() => {
    for (let i = 0; i < content.length; i += 4) content.writeUInt32BE(i, i)
    writeFileSync(join(directory, 'data'), content)
    file = nodeFileSystem.open(join(directory, 'data'), 'read')
  })

  afterAll(() => {
    file.close()
    rmSync(directory, { recursive: true })
  })

  let released = 0
  const slice = (position: number, length: number): FileSlice => {
    let isReleased = false
    return {
      kind: 'file-slice',
      file,
      position,
      length,
      release() {
        if (!isReleased) released++
        isReleased = true
      },
    }
  }

  it.each([10, 5000, 32 * 1024, 300_000, 9_000_000])(
    'of %i bytes arrive between the bytes around them, and are released',
    async (length) => {
      released = 0
      const peer = await client()
      scripted.handler.makeAnswer = () =>
        framed(
          Buffer.from('head'),
          slice(0, length),
          Buffer.from('mid'),
          slice(0, 7),
          Buffer.from('tail'),
        )
      for (let i = 0; i < 3; i++) peer.send(Buffer.from('now'))
      const expected = Buffer.concat([
        Buffer.from('head'),
        content.subarray(0, length),
        Buffer.from('mid'),
        content.subarray(0, 7),
        Buffer.from('tail'),
      ])
      for (let i = 0; i < 3; i++) {
        expect(Buffer.compare(await peer.receive(), expected)).toBe(0)
      }
      expect(released).toBe(6)
    },
  )

  it('and plain answers stay in order behind a peer that reads slowly', async () => {
    const peer = await client()
    scripted.handler.makeAnswer = (request) =>
      request === 'file' ? framed(slice(0, content.length)) : framed(Buffer.from(request))
    peer.socket.pause()
    for (const request of ['a', 'file', 'b', 'file', 'c']) peer.send(Buffer.from(request))
    await scripted.handler.until(5)
    peer.socket.resume()
    expect(await text(peer.receive())).toBe('a')
    expect(Buffer.compare(await peer.receive(), content)).toBe(0)
    expect(await text(peer.receive())).toBe('b')
    expect(Buffer.compare(await peer.receive(), content)).toBe(0)
    expect(await text(peer.receive())).toBe('c')
  })

  it('are released when the peer goes away before it read them, which is no error', async () => {
    released = 0
    const peer = await client()
    scripted.handler.makeAnswer = () => framed(slice(0, content.length))
    peer.socket.pause()
    for (let i = 0; i < 4; i++) peer.send(Buffer.from('file'))
    await scripted.handler.until(4)
    scripted.handler.makeAnswer = (request) => framed(Buffer.from(request))
    peer.close()
    const other = await client()
    while (released < 4) await other.exchange(Buffer.from('tick'))
    expect(released).toBe(4)
    expect(scripted.logger.lines.filter(({ level }) => level !== 'debug')).toEqual([])
  })

  it('are released when peers go away in the middle of them, which is no error', async () => {
    released = 0
    scripted.handler.makeAnswer = () => framed(slice(0, content.length))
    const leave = async (): Promise<void> => {
      const peer = await client()
      peer.send(Buffer.from('file'))
      await once(peer.socket, 'data')
      // Between a part that was sent and the next one.
      await new Promise((resolve) => setImmediate(resolve))
      peer.socket.resetAndDestroy()
    }
    for (let round = 0; round < 5; round++) await Promise.all(Array.from({ length: 20 }, leave))
    scripted.handler.makeAnswer = (request) => framed(Buffer.from(request))
    const other = await client()
    while (released < 100) await other.exchange(Buffer.from('tick'))
    expect(scripted.logger.lines.filter(({ level }) => level !== 'debug')).toEqual([])
  })

  it('that cannot be read end the connection with an error line', async () => {
    const peer = await client()
    scripted.handler.makeAnswer = () => framed(slice(content.length - 100_000, 200_000))
    peer.send(Buffer.from('file'))
    await peer.closed
    const [line] = scripted.logger.at('error')
    expect(line?.message).toBe('connection closed: an answer could not be sent')
    expect(line?.fields['err']).toMatchObject({ code: 'ESTALE' })
  })
})
