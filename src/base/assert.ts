/**
 * Invariant checks. An `InvariantError` means the engine contradicts itself: nobody catches it.
 *
 * `checksEnabled` guards whole-structure checks that cost more than the operation they watch; it
 * is on under test (`STRATALOG_CHECKS=1`) and off otherwise. Plain `assert` is always on.
 */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

/**
 * Throws unless `condition` holds. State the fact positively and keep `fact` a constant string:
 * formatting a message on a hot path costs more than the check.
 */
export function assert(condition: boolean, fact: string): asserts condition {
  if (!condition) throw new InvariantError(`invariant broken: ${fact}`)
}

export const checksEnabled: boolean = globalThis.process?.env['STRATALOG_CHECKS'] === '1'
