/**
 * Waiting for an AbortSignal, with one listener on it for all who wait: a program has one signal for
 * its end and hands it to everything, and Node takes the eleventh listener for a leak.
 */
const waiting = new WeakMap<AbortSignal, Set<() => void>>()

/**
 * Calls `listener` when `signal` is aborted; who calls has seen that it is not. A listener must not throw.
 * @returns ends that. A set takes it for less than the signal itself does.
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  const listeners = waiting.get(signal) ?? listenTo(signal)
  listeners.add(listener)
  return () => listeners.delete(listener)
}

function listenTo(signal: AbortSignal): Set<() => void> {
  const listeners = new Set<() => void>()
  waiting.set(signal, listeners)
  const tell = (): void => {
    for (const listener of listeners) listener()
    listeners.clear()
  }
  signal.addEventListener('abort', tell, { once: true })
  return listeners
}
