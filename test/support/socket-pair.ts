/** Two ends of a real loopback connection, and the sending end as the binding wants it. */
import { connect, createServer, type Socket } from 'node:net'
import type { SendTarget } from '../../src/native/binding.ts'

export type SocketPair = {
  readonly sender: Socket
  readonly receiver: Socket
  readonly target: SendTarget
  /** Destroys both ends. */
  close(): void
}

export async function openSocketPair(): Promise<SocketPair> {
  const server = createServer({ pauseOnConnect: true, noDelay: true })
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
  })
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const receiver = connect({ port, host: '127.0.0.1' })
  receiver.pause()
  await new Promise<void>((resolve, reject) => {
    receiver.once('connect', resolve)
    receiver.once('error', reject)
  })
  const sender = await accepted
  server.close()
  for (const socket of [sender, receiver]) socket.on('error', () => {})
  return {
    sender,
    receiver,
    target: targetOf(sender),
    close() {
      sender.destroy()
      receiver.destroy()
    },
  }
}

export function targetOf(socket: Socket): SendTarget {
  const handle = (socket as unknown as { _handle: { fd: number } })._handle
  return { fd: handle.fd, write: (bytes, sent) => socket.write(bytes, sent) }
}

/** Reads exactly `count` bytes, and leaves the socket paused. */
export async function readBytes(socket: Socket, count: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let received = 0
  await new Promise<void>((resolve, reject) => {
    const onData = (chunk: Buffer) => {
      chunks.push(chunk)
      received += chunk.length
      if (received < count) return
      socket.pause()
      settle(resolve)
    }
    const onClose = () => settle(() => reject(new Error(`closed after ${received} bytes`)))
    const settle = (finish: () => void) => {
      socket.off('data', onData)
      socket.off('close', onClose)
      finish()
    }
    socket.on('data', onData)
    socket.on('close', onClose)
    socket.resume()
  })
  return Buffer.concat(chunks)
}
