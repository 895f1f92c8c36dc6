/** Brands for numbers that must not be swapped. Plain numbers enter only at checked doors. */

declare const brand: unique symbol

/** Place of a record in its log: a safe integer ≥ 0. */
export type Offset = number & { readonly [brand]: 'Offset' }

/** Byte place inside one file: a safe integer ≥ 0. */
export type FilePosition = number & { readonly [brand]: 'FilePosition' }

/** Largest offset a log will hand out; the next one is refused, not wrapped. */
export const maxOffset = Number.MAX_SAFE_INTEGER as Offset

/**
 * How safe an accepted batch is.
 *
 * - `memory` accepted by this process
 * - `os`     handed to the kernel: survives a crash or `kill -9` of this process
 * - `disk`   on stable storage (fdatasync returned): survives power loss
 */
export type DurabilityLevel = 'memory' | 'os' | 'disk'
