/** How many descriptors this process may have open: files, sockets and all else. */
import { readFileSync } from 'node:fs'

/**
 * Undefined where the system does not tell. Linux does; Node has raised the soft limit to the hard
 * one when it started.
 */
export function openFileLimit(): number | undefined {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1')
    const found = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1])
    return Number.isInteger(found) ? found : undefined
  } catch {
    return undefined // Another system, or a sandbox without /proc: the caller has a default.
  }
}
