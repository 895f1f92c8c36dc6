import { afterEach, describe, expect, it } from 'vitest'
import { ListenError } from '../../src/base/errors.ts'
import type { KafkaServer, ServerOptions } from '../../src/net/server.ts'
import type { RecordingLogger } from '../support/recording-logger.ts'
import {
  framed,
  loopback,
  portOf,
  type ScriptedHandler,
  startScripted,
} from '../support/scripted-server.ts'
import { SteppedClock } from '../support/stepped-clock.ts'
import { TcpClient } from '../support/tcp-client.ts'

// Goal: answers leave whole and in order whatever happens, memory stays bounded, one connection's
//       trouble is its own.
// Method: real loopback sockets; the handler does what a request's text says.

let handler: ScriptedHandler
let logger: RecordingLogger
const servers: KafkaServer[] = []
const clients: TcpClient[] = []

async function start(options: Partial<ServerOptions> = {}): Promise<KafkaServer> {
  const started = await startScripted(options)
  handler = started.handler
  logger = started.logger
  servers.push(started.server)
  return started.server
}

async function client(server: KafkaServer): Promise<TcpClient> {
  const connected = await TcpClient.connect(portOf(server))
  clients.push(connected)
  return connected
}

const text = async (frame: Promise<Buffer>) => (await frame).toString()

afterEach(async () => {
  for (const connected of clients.splice(0)) connected.close()
  for (const server of servers.splice(0)) await server.close({ deadlineMs: 100 })
})

describe('answers', () => {
  it('leave in the order of their requests, however they become ready', async () => {
    const peer = await client(await start())
    for (const request of ['later:1', 'now:2', 'later:3', 'silent:4', 'now:5']) {
      peer.send(Buffer.from(request))
    }
    await handler.until(5)
    handler.release('later:3')
    handler.release('later:1')
    const received = [peer.receive(), peer.receive(), peer.receive(), peer.receive()]
    expect(await Promise.all(received.map(text))).toEqual(['later:1', 'now:2', 'later:3', 'now:5'])
  })

  it('of several frames in one packet, one of them cut, all arrive', async () => {
    const peer = await client(await start())
    const frames = Buffer.concat(
      ['a', 'bb', 'ccc'].map((body) =>
        Buffer.from(`\0\0\0${String.fromCharCode(body.length)}${body}`),
      ),
    )
    peer.sendRaw(frames.subarray(0, 13))
    expect(await text(peer.receive())).toBe('a')
    expect(await text(peer.receive())).toBe('bb')
    peer.sendRaw(frames.subarray(13))
    expect(await text(peer.receive())).toBe('ccc')
  })

  it('hold the next request back when a request asks for it', async () => {
    const peer = await client(await start())
    for (const request of ['alone:1', 'now:2']) peer.send(Buffer.from(request))
    await handler.until(1)
    // A whole exchange on another connection gives the held request every chance to begin.
    const other = await client(servers[0]!)
    await other.exchange(Buffer.from('now:other'))
    expect(handler.seen).toEqual(['alone:1', 'now:other'])
    handler.release('alone:1')
    expect(await text(peer.receive())).toBe('alone:1')
    expect(await text(peer.receive())).toBe('now:2')
  })

  it('of requests sent before the peer ended its side still arrive', async () => {
    const peer = await client(await start())
    peer.send(Buffer.from('later:1'))
    peer.send(Buffer.from('silent:2'))
    peer.socket.end(Buffer.from('\0\0\0\x05now:3'))
    await handler.until(3)
    handler.release('later:1')
    expect(await text(peer.receive())).toBe('later:1')
    expect(await text(peer.receive())).toBe('now:3')
    await peer.closed
  })
})

describe('bounds', () => {
  it('stop the reading of requests while too many are unanswered', async () => {
    const peer = await client(await start({ maxInFlightRequests: 3 }))
    for (let i = 0; i < 10; i++) peer.send(Buffer.from(`later:${i}`))
    await handler.until(3)
    const other = await client(servers[0]!)
    await other.exchange(Buffer.from('x'))
    expect(handler.seen.length).toBe(4)
    for (let i = 0; i < 10; i++) {
      await handler.until(i + 2)
      handler.release(`later:${i}`)
      expect(await text(peer.receive())).toBe(`later:${i}`)
    }
  })

  it('stop the reading of requests while too many bytes of them are unanswered', async () => {
    const peer = await client(await start({ maxInFlightBytes: 1000 }))
    for (let i = 0; i < 4; i++) peer.send(Buffer.from(`later:${i}:${'x'.repeat(600)}`))
    await handler.until(2)
    const other = await client(servers[0]!)
    await other.exchange(Buffer.from('x'))
    expect(handler.seen.length).toBe(3)
    handler.release(handler.seen[0]!)
    await handler.until(4)
    expect(handler.seen.length).toBe(4)
  })

  it('stop taking requests from a peer that does not read, and go on when it does', async () => {
    const peer = await client(await start({ maxQueuedBytes: 100_000 }))
    const big = Buffer.alloc(300_000, 'b')
    handler.makeAnswer = () => framed(big)
    peer.socket.pause()
    const count = 200 // 60 MB of answers: more than any socket buffer takes
    for (let i = 0; i < count; i++) peer.send(Buffer.from(`now:${i}`))
    await handler.until(2)
    const other = await client(servers[0]!)
    handler.makeAnswer = () => framed(Buffer.from('ok'))
    await other.exchange(Buffer.from('x'))
    handler.makeAnswer = () => framed(big)
    expect(handler.seen.length).toBeLessThan(count)
    peer.socket.resume()
    for (let i = 0; i < count; i++) expect((await peer.receive()).length).toBe(big.length)
    expect(handler.seen.length).toBe(count + 1)
  })

  it('let the loop turn between much that one peer sends', async () => {
    const server = await start()
    const count = 200
    let isCounting = true
    let bytesOfTurn = 0
    let mostBytes = 0
    const turn = () => {
      mostBytes = Math.max(mostBytes, bytesOfTurn)
      bytesOfTurn = 0
      if (isCounting) setImmediate(turn)
    }
    const handle = handler.handle.bind(handler)
    handler.handle = (frame, connection) => {
      bytesOfTurn += frame.length
      return handle(frame, connection)
    }
    const peer = await client(server)
    peer.send(Buffer.from('alone:x'))
    await handler.until(1)
    // Held back, until all that the kernel takes of it stands there.
    for (let i = 0; i < count; i++) peer.send(Buffer.alloc(60_000, 'silent:'))
    turn()
    handler.release('alone:x')
    await handler.until(count + 1)
    isCounting = false
    // What waited, and one read more than makes it yield: 1.1 MB; without that it is all the kernel had.
    expect(Math.max(mostBytes, bytesOfTurn)).toBeLessThan(1_500_000)
  })

  it('close a connection beyond the most allowed, saying so once', async () => {
    const server = await start({ maxConnections: 2 })
    const first = await client(server)
    const second = await client(server)
    await first.exchange(Buffer.from('a'))
    await second.exchange(Buffer.from('b'))
    const third = await client(server)
    const fourth = await client(server)
    await third.closed
    await fourth.closed
    expect(await text(first.exchange(Buffer.from('still here')))).toBe('still here')
    expect(logger.at('warn').map((line) => line.message)).toEqual([
      'connections refused: too many are open',
    ])
  })

  it('close a connection on which nothing moves, but not one that waits for us', async () => {
    const clock = new SteppedClock()
    const server = await start({ idleTimeoutMs: 40, clock })
    const idle = await client(server)
    const waiting = await client(server)
    waiting.send(Buffer.from('later:1'))
    await handler.until(1)
    clock.advance(39)
    expect(server.connectionCount).toBe(2)
    clock.advance(11)
    await idle.closed
    handler.release('later:1')
    expect(await text(waiting.receive())).toBe('later:1')
  })
})

describe('a bad peer', () => {
  it.each([
    ['a negative size', Buffer.from('ffffffff', 'hex'), /size -1/],
    [
      'a size over the limit',
      Buffer.from('7fffffff', 'hex'),
      /2147483647 bytes, the limit is 1000000/,
    ],
  ])('with %s loses its connection, with one line, and nobody else does', async (_, bytes, why) => {
    const server = await start()
    const good = await client(server)
    await good.exchange(Buffer.from('before'))
    const bad = await client(server)
    bad.sendRaw(bytes)
    await bad.closed
    expect(logger.at('warn').length).toBe(1)
    expect(logger.at('warn')[0]!.fields['reason']).toMatch(why)
    expect(await text(good.exchange(Buffer.from('after')))).toBe('after')
  })

  it('gets the answers before its refused request, and none after', async () => {
    const peer = await client(await start())
    for (const request of ['now:1', 'refuse:2', 'now:3']) peer.send(Buffer.from(request))
    expect(await text(peer.receive())).toBe('now:1')
    await peer.closed
    expect(handler.seen).toEqual(['now:1', 'refuse:2'])
    expect(logger.lines.filter((line) => line.level !== 'debug')).toEqual([
      {
        level: 'warn',
        message: 'connection closed: bad request',
        fields: {
          peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
          apiKey: 99,
          apiVersion: 1,
          clientId: 'me',
          reason: 'no such thing',
        },
      },
    ])
  })

  it('that meets a bug of ours loses its connection with an error line', async () => {
    const peer = await client(await start())
    peer.send(Buffer.from('crash'))
    await peer.closed
    expect(logger.at('error')[0]!.fields['err']).toBeInstanceOf(TypeError)
  })

  it('that vanishes aborts what it left parked', async () => {
    const peer = await client(await start())
    peer.send(Buffer.from('park:1'))
    await handler.until(1)
    const { signal } = handler.contexts[0]!
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve))
    peer.socket.resetAndDestroy()
    await aborted
  })
})

describe('shutdown', () => {
  it('answers parked requests at once and what is in flight, then closes', async () => {
    const server = await start()
    const parked = await client(server)
    const busy = await client(server)
    const idle = await client(server)
    parked.send(Buffer.from('park:1'))
    busy.send(Buffer.from('later:1'))
    await idle.exchange(Buffer.from('x'))
    await handler.until(3)
    const closing = server.close({ deadlineMs: 20_000 })
    expect(await text(parked.receive())).toBe('aborted')
    handler.release('later:1')
    expect(await text(busy.receive())).toBe('later:1')
    for (const peer of [parked, busy, idle]) peer.socket.end()
    await closing
    expect(server.connectionCount).toBe(0)
    await expect(TcpClient.connect(portOf(server))).rejects.toThrow()
  })

  it('cuts off what does not end by the deadline', async () => {
    const server = await start()
    const stuck = await client(server)
    stuck.send(Buffer.from('later:never'))
    await handler.until(1)
    await server.close({ deadlineMs: 20 })
    await stuck.closed
    expect(logger.at('warn').at(-1)!.message).toBe('connections cut off at shutdown')
  })

  it('may be asked for twice', async () => {
    const server = await start()
    await Promise.all([server.close(), server.close()])
  })
})

describe('listening', () => {
  it('says which address it could not have, and why', async () => {
    const server = await start()
    const again = start({ listeners: [{ ...loopback, port: portOf(server) }] })
    await expect(again).rejects.toThrow(ListenError)
    await expect(again).rejects.toThrow(/cannot listen on 127\.0\.0\.1:\d+: another process/)
  })

  it('tells handlers the advertised address, by default the one bound', async () => {
    const peer = await client(await start())
    await peer.exchange(Buffer.from('x'))
    const self = { nodeId: 1, host: '127.0.0.1', port: portOf(servers[0]!) }
    expect(handler.contexts[0]!.listener).toEqual({ name: 'PLAINTEXT', ...self, brokers: [self] })
    const other = await client(
      await start({ listeners: [{ ...loopback, advertisedHost: 'log.test', advertisedPort: 7 }] }),
    )
    await other.exchange(Buffer.from('x'))
    expect(handler.contexts[0]!.listener).toMatchObject({ host: 'log.test', port: 7 })
  })
})
