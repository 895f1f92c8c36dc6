/** A raw TCP client for tests: bytes out, frames in, and what became of the connection. */
import { connect, type Socket } from 'node:net'
import { FrameDecoder } from '../../src/net/frame-decoder.ts'

export class TcpClient {
  readonly socket: Socket
  readonly #decoder = new FrameDecoder(2 ** 31 - 1)
  #waiting: { resolve: (frame: Buffer) => void; reject: (error: Error) => void }[] = []
  /** Settles when the connection is closed, by either side and for whatever reason. */
  readonly closed: Promise<void>

  static async connect(port: number, host = '127.0.0.1'): Promise<TcpClient> {
    const socket = connect({ port, host, noDelay: true })
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return new TcpClient(socket)
  }

  constructor(socket: Socket) {
    this.socket = socket
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()))
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      this.#decoder.push(chunk)
      this.#deliver()
    })
    void this.closed.then(() => {
      for (const { reject } of this.#waiting) reject(new Error('the connection was closed'))
      this.#waiting = []
    })
  }

  /** Sends `body` behind its length. */
  send(body: Buffer): void {
    const prefix = Buffer.alloc(4)
    prefix.writeInt32BE(body.length)
    this.socket.write(Buffer.concat([prefix, body]))
  }

  sendRaw(bytes: Buffer): void {
    this.socket.write(bytes)
  }

  /** The next answer, without its length. Rejects when the connection closes first. */
  receive(): Promise<Buffer> {
    const frame = this.#decoder.next()
    if (frame !== undefined) return Promise.resolve(Buffer.from(frame))
    if (this.socket.closed) return Promise.reject(new Error('the connection was closed'))
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  async exchange(body: Buffer): Promise<Buffer> {
    this.send(body)
    return this.receive()
  }

  close(): void {
    this.socket.destroy()
  }

  #deliver(): void {
    while (this.#waiting.length > 0) {
      const frame = this.#decoder.next()
      if (frame === undefined) return
      this.#waiting.shift()!.resolve(Buffer.from(frame))
    }
  }
}
