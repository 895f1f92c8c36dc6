/**
 * A socket that puts what it receives into memory of the reader's choice, instead of into a new buffer
 * for every read.
 *
 * Node offers that (`onread`) for sockets that are made from a descriptor, not for those that a server
 * has accepted. So an accepted one is made anew from a duplicate of its descriptor.
 */
import { Socket } from 'node:net'
import { kibibyte } from '../base/units.ts'
import { binding } from '../native/load-binding.ts'

/**
 * What the kernel holds of an answer to a peer on the same machine (it takes twice as much). Left alone
 * it grows to megabytes, and the loop that fills it does all the work of the sending side; with less,
 * the receiver's acknowledgements do, and loopback moves three times as much for a third of the CPU.
 * Not for other peers: it bounds what a connection moves in a round trip, and theirs may be long.
 */
const sendBufferBytesHere = 384 * kibibyte

/** Most that a send buffer can be asked to hold: the kernel takes twice as many. */
export const maxSendBufferBytes: number = 2 ** 30 - 1

export interface Receiver {
  /** Where the next bytes go: one at least; stays as it is until it is asked for again. */
  target(): Buffer
  /** So many bytes were put into the target. */
  received(count: number): void
}

/**
 * @param accepted nothing was read from it yet, and nobody listens to it.
 * @param sendBufferBytes what the kernel may hold of unsent answers; 0 leaves that to the kernel, −1
 *                 too, but for peers on the same machine.
 * @returns the socket to use instead, reading already; undefined when there can be none, and `accepted`
 *          is as it was.
 */
export function receivingSocket(
  accepted: Socket,
  receiver: Receiver,
  sendBufferBytes: number,
): Socket | undefined {
  const fd = descriptorOf(accepted)
  if (fd < 0) return undefined
  let copy: number | undefined
  try {
    const limit = sendBufferBytes < 0 && isHere(accepted) ? sendBufferBytesHere : sendBufferBytes
    if (limit > 0) binding.limitSendBuffer(fd, limit)
    copy = binding.duplicate(fd)
  } catch {
    return undefined // No descriptor left, for one: it works without.
  }
  if (copy === undefined) return undefined
  const onread = {
    buffer: () => receiver.target(),
    callback: (count: number) => {
      receiver.received(count)
      return true
    },
  }
  // Documented, and unknown to the types of Node 20.
  const options = { fd: copy, allowHalfOpen: accepted.allowHalfOpen, onread }
  const socket = new Socket(options)
  accepted.destroy()
  return socket
}

/** Whether the peer is on this machine. */
function isHere({ localAddress, remoteAddress }: Socket): boolean {
  return remoteAddress === localAddress || /^(::ffff:)?127\.|^::1$/.test(remoteAddress ?? '')
}

/**
 * The descriptor behind a socket, −1 when there is none. Node keeps it on an undocumented handle;
 * this is the one place that looks.
 */
export function descriptorOf(socket: Socket): number {
  const handle = (socket as Socket & { _handle?: { fd?: number } | null })._handle
  return handle?.fd ?? -1
}
