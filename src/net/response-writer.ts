/**
 * Sends answer frames over one socket, in order: plain bytes in as few writes as possible, regions
 * of files without copying them through this process.
 *
 * Bounds. At most `writeAheadBytes` wait inside the socket; frames beyond that wait here as they
 * are, where a file slice costs no memory. `queuedBytes` tells the plain bytes of both, so that
 * the connection stops taking requests from a peer that does not read.
 *
 * A file region is sent by sendfile(2), which writes to the descriptor behind the socket's back:
 * it starts only when all earlier bytes have left the socket's own queue, and nothing is written
 * before it ends. Short regions are read and sent with their neighbours instead.
 */
import type { Socket } from 'node:net'
import type { SendFileTransfer, SendTarget } from '../native/binding.ts'
import type { FileSlice } from '../platform/file-slice.ts'
import { sendFile } from '../platform/send-file.ts'
import type { WireFrame, WirePart } from '../protocol/wire-writer.ts'
import { descriptorOf } from './receiving-socket.ts'

/**
 * Regions shorter than this are read and written: in bench/micro/send-region both ways cost the
 * same CPU at 32 and 64 KiB, copying half the latency below, sendfile half the CPU above.
 */
const copySliceBelowBytes = 64 * 1024

/** Bytes that may wait inside the socket before more are handed to it. */
const writeAheadBytes = 256 * 1024

/** Parts that together stay below this are joined into one buffer rather than one writev. */
const joinBelowBytes = 64 * 1024

/** A region is sent in pieces of this size, so that a slow reader is seen to make progress. */
const sendPieceBytes = 4 * 1024 * 1024

export type ResponseWriterEvents = {
  /** Bytes left for the kernel: there is room again, and the peer is alive. */
  onProgress(): void
  /** The socket or a file failed; nothing more will be sent. */
  onFailure(error: Error): void
}

export class ResponseWriter {
  readonly #socket: Socket
  readonly #target: SendTarget
  readonly #events: ResponseWriterEvents
  readonly #copyBelowBytes: number
  /** Parts not yet handed to the socket; those before `#first` are. */
  #parts: WirePart[] = []
  #first = 0
  #waitingBytes = 0
  #waitingSlices = 0
  #transfer: SendFileTransfer | undefined
  #isTransferring = false
  #isClosed = false

  /** `copyBelowBytes` is for measuring. */
  constructor(
    socket: Socket,
    events: ResponseWriterEvents,
    copyBelowBytes: number = copySliceBelowBytes,
  ) {
    this.#socket = socket
    this.#copyBelowBytes = copyBelowBytes
    this.#events = events
    this.#target = {
      fd: descriptorOf(socket),
      write: (bytes, sent) => void socket.write(bytes, sent),
    }
  }

  /** Plain bytes that wait here or inside the socket. */
  get queuedBytes(): number {
    return this.#waitingBytes + this.#socket.writableLength
  }

  /** File regions that wait here, each keeping its file open. */
  get queuedSlices(): number {
    return this.#waitingSlices
  }

  /** Everything handed over so far has left this process. */
  get isIdle(): boolean {
    return this.#parts.length === 0 && !this.#isTransferring && this.#socket.writableLength === 0
  }

  /** Takes over `frame` and its slices. Call `flush` after the last of a run of frames. */
  add(frame: WireFrame): void {
    for (const part of frame.parts) {
      if (this.#isClosed) releasePart(part)
      else {
        this.#parts.push(part)
        if (Buffer.isBuffer(part)) this.#waitingBytes += part.length
        else this.#waitingSlices++
      }
    }
  }

  /** Hands over as much as the socket should take now; the rest follows by itself. */
  flush(): void {
    try {
      this.#pump()
    } catch (error) {
      this.#events.onFailure(error as Error)
    }
  }

  /** Drops what was not sent. The socket is closed by its owner, after this call. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (let i = this.#first; i < this.#parts.length; i++) {
      // A region under way is released when its transfer has ended: the kernel still reads it.
      if (i === this.#first && this.#isTransferring) continue
      releasePart(this.#parts[i]!)
    }
    if (!this.#isTransferring) this.#parts = []
    this.#waitingBytes = 0
    this.#waitingSlices = 0
    this.#transfer?.cancel()
  }

  #pump(): void {
    while (!this.#isClosed && !this.#isTransferring && this.#first < this.#parts.length) {
      if (this.#socket.writableLength >= writeAheadBytes) return // resumed by #written
      const part = this.#parts[this.#first]!
      if (!this.#isRegion(part)) this.#writeRun()
      else if (this.#socket.writableLength > 0)
        return // resumed by #written
      else this.#sendSlice(part)
    }
  }

  /** Writes the parts up to the next long region, as far as the socket should take them. */
  #writeRun(): void {
    const run: Buffer[] = []
    let runBytes = 0
    while (this.#first < this.#parts.length && runBytes < writeAheadBytes) {
      const part = this.#parts[this.#first]!
      if (this.#isRegion(part)) break
      run.push(Buffer.isBuffer(part) ? part : readSlice(part))
      runBytes += part.length
      this.#dropFirst()
    }
    if (run.length === 1) this.#socket.write(run[0]!, this.#written)
    else if (runBytes < joinBelowBytes) this.#socket.write(Buffer.concat(run), this.#written)
    else {
      this.#socket.cork()
      for (let i = 0; i < run.length - 1; i++) this.#socket.write(run[i]!)
      this.#socket.write(run[run.length - 1]!, this.#written)
      this.#socket.uncork()
    }
  }

  readonly #written = (error?: Error | null): void => {
    // The socket reports its own failure by an 'error' event, which the connection hears.
    if (error || this.#isClosed) return
    this.flush()
    this.#events.onProgress()
  }

  #sendSlice(slice: FileSlice, sentBytes = 0): void {
    this.#isTransferring = true
    const length = Math.min(slice.length - sentBytes, sendPieceBytes)
    const position = slice.position + sentBytes
    this.#transfer = sendFile(this.#target, slice.file, position, length, (error) => {
      this.#isTransferring = false
      this.#transfer = undefined
      if (error !== null || this.#isClosed) {
        this.#endSlice(slice)
        if (!this.#isClosed) this.#events.onFailure(error!)
        return
      }
      if (sentBytes + length < slice.length) this.#sendSlice(slice, sentBytes + length)
      else {
        this.#endSlice(slice)
        this.flush()
      }
      this.#events.onProgress()
    })
  }

  /** Whether `part` is long enough to be worth sendfile(2). */
  #isRegion(part: WirePart): part is FileSlice {
    return !Buffer.isBuffer(part) && part.length >= this.#copyBelowBytes
  }

  #endSlice(slice: FileSlice): void {
    slice.release()
    if (this.#isClosed) this.#parts = []
    else this.#dropFirst()
  }

  #dropFirst(): void {
    const part = this.#parts[this.#first]!
    if (Buffer.isBuffer(part)) this.#waitingBytes -= part.length
    else this.#waitingSlices--
    this.#first++
    if (this.#first === this.#parts.length) {
      this.#parts = []
      this.#first = 0
    }
  }
}

/** Reads a short region and releases it. */
function readSlice(slice: FileSlice): Buffer {
  const bytes = Buffer.allocUnsafe(slice.length)
  try {
    const count = slice.file.read(bytes, slice.position)
    if (count === bytes.length) return bytes
    throw new Error(`${slice.file.path} ends ${bytes.length - count} bytes inside a slice`)
  } finally {
    slice.release()
  }
}

export function releaseFrame(frame: WireFrame): void {
  for (const part of frame.parts) releasePart(part)
}

function releasePart(part: WirePart): void {
  if (!Buffer.isBuffer(part)) part.release()
}
