// Covers receiving-socket.ts: whose send buffer is bounded, and how. That a socket receives into given
// memory is shown by connection.test.ts, over every binding by the portable run.
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { binding } from '../../src/native/load-binding.ts'
import { receivingSocket } from '../../src/net/receiving-socket.ts'

let server: Server
let sockets: Socket[]
beforeEach(async () => {
  sockets = []
  server = createServer({ pauseOnConnect: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => {
  vi.restoreAllMocks()
  for (const socket of sockets) socket.destroy()
  server.close()
})

/** A socket that was accepted, and says that it came from `remoteAddress` to `localAddress`. */
async function accepted(remoteAddress: string, localAddress: string): Promise<Socket> {
  const accepting = once(server, 'connection')
  const { port } = server.address() as { port: number }
  const client = connect(port, '127.0.0.1')
  const [socket] = (await accepting) as [Socket]
  sockets.push(client, socket)
  Object.defineProperties(socket, {
    remoteAddress: { value: remoteAddress },
    localAddress: { value: localAddress },
  })
  return socket
}

describe('the send buffer', () => {
  it.each<[string, string, string, number, number | undefined]>([
    ['of a peer on the loopback', '127.0.0.1', '127.0.0.1', -1, 393_216],
    ['of one on another loopback address', '127.0.0.2', '127.0.0.1', -1, 393_216],
    ['of one over IPv6', '::1', '::1', -1, 393_216],
    ['of one over IPv4 on an IPv6 socket', '::ffff:127.0.0.1', '::ffff:127.0.0.1', -1, 393_216],
    ['of a peer that uses the address of the machine', '192.0.2.7', '192.0.2.7', -1, 393_216],
    ['of a peer elsewhere', '192.0.2.8', '192.0.2.7', -1, undefined],
    ['of a peer here, when the kernel is to decide', '127.0.0.1', '127.0.0.1', 0, undefined],
    ['of a peer elsewhere, then too', '192.0.2.8', '192.0.2.7', 0, undefined],
    ['of a peer elsewhere, when it was given', '192.0.2.8', '192.0.2.7', 100_000, 100_000],
    ['of a peer here, when it was given', '127.0.0.1', '127.0.0.1', 100_000, 100_000],
  ])('%s', async (_, remoteAddress, localAddress, given, expected) => {
    const limit = vi.spyOn(binding, 'limitSendBuffer')
    const receiver = { target: () => Buffer.alloc(16), received: () => {} }
    const socket = receivingSocket(await accepted(remoteAddress, localAddress), receiver, given)
    if (socket !== undefined) sockets.push(socket)
    expect(socket !== undefined).toBe(binding.kind === 'addon')
    expect(limit.mock.calls.map(([, bytes]) => bytes)).toEqual(
      expected === undefined ? [] : [expected],
    )
  })
})
