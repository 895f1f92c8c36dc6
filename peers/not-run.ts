/** What was asked for cannot run on this machine; the message says what is missing. */
export class NotRunError extends Error {
  override readonly name = 'NotRunError'
}
