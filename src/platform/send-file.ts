import { assert } from '../base/assert.ts'
import type { SendFileDone, SendFileTransfer, SendTarget } from '../native/binding.ts'
import { CopyTransfer } from '../native/copy-transfer.ts'
import { binding } from '../native/load-binding.ts'
import type { File } from './file-system.ts'

/**
 * Sends `[position, position + lengthBytes)` of `file` to a stream socket, by sendfile(2) where the
 * addon serves and the file is on a real disk, else by copying chunks through `target.write`.
 *
 * Precondition: nothing else writes to the socket until `done` ran, everything written before has
 * left user space, and `file` stays open until then. `done` is never called synchronously; its
 * error is that of the socket (`EPIPE`, `ECONNRESET`…) or of the file (`EIO`; `ESTALE` when it ends
 * inside the slice), or `ECANCELED` after `cancel`.
 */
export function sendFile(
  target: SendTarget,
  file: File,
  position: number,
  lengthBytes: number,
  done: SendFileDone,
): SendFileTransfer {
  assert(position >= 0 && lengthBytes >= 0, 'the slice to send is not negative')
  if (file.fd >= 0 && (target.fd >= 0 || binding.kind === 'portable')) {
    return binding.sendFile(target, file.fd, position, lengthBytes, done)
  }
  const read = (chunk: Uint8Array, at: number) => file.read(chunk, at)
  return new CopyTransfer(target, read, position, lengthBytes, done)
}
