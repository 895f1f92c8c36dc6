/** The compression codecs of a batch, and the numbers they have in its attribute bits. */
import { UnsupportedCodecError } from '../base/errors.ts'

export type CodecName = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

/** Every codec; the place in the list is the codec id. */
export const codecNames: readonly CodecName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

/** Codec id (0–4) of `name`. Throws UnsupportedCodecError for any other string. */
export function codecIdOf(name: CodecName): number {
  const id = codecNames.indexOf(name)
  if (id < 0) {
    throw new UnsupportedCodecError(
      `codec ${JSON.stringify(name)} does not exist: expected one of ${codecNames.join(', ')}`,
    )
  }
  return id
}

/** Name of codec `id`. Throws UnsupportedCodecError for 5–7, which no codec has. */
export function codecNameOf(id: number): CodecName {
  const name = codecNames[id]
  if (name === undefined) {
    throw new UnsupportedCodecError(`codec id ${id} does not exist: expected 0 to 4`)
  }
  return name
}
