import type { PartScript } from '../support/own-process.ts'

/** The measurements of this bench. */
export const durableParts: PartScript = { url: new URL('./run-part.js', import.meta.url) }
