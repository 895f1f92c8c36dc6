/**
 * Bytes that are not what their schema says, or a value that its schema cannot carry. On a
 * connection it means: close, this peer and we disagree about where things are. It belongs to
 * this floor alone and never reaches a caller of the library, hence no LogError.
 */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
}
