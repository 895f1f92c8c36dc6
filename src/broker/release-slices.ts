/** Releases every file slice anywhere inside a response that will not be sent. */
export function releaseSlices(value: unknown): void {
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return
  if ('kind' in value && value.kind === 'file-slice') {
    const slice = value as { release?: () => void }
    slice.release?.()
    return
  }
  for (const inner of Object.values(value)) releaseSlices(inner)
}
