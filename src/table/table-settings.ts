/** What a table needs from its store, and what can be set per table. */
import type { Clock } from '../base/clock.ts'
import { InvalidOptionError } from '../base/errors.ts'
import type { Logger } from '../base/logger.ts'
import { integerOption, knownOptions } from '../base/option-fields.ts'
import type { DurabilityLevel } from '../base/types.ts'
import { gibibyte, mebibyte } from '../base/units.ts'
import type { Log } from '../log/log.ts'
import type { FileSystem } from '../platform/file-system.ts'
import { type CodecChoice, type Transcoder, transcoderOf } from './table-codec.ts'

export type TableEnvironment = {
  /** The table's own: nobody else appends to it. */
  readonly log: Log
  readonly fileSystem: FileSystem
  readonly clock: Clock
  readonly logger: Logger
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Level a change waits for unless it says otherwise. */
  readonly level: () => DurabilityLevel
}

export type TableSpec<KeyCodec extends CodecChoice, ValueCodec extends CodecChoice> = {
  readonly key: KeyCodec
  readonly value: ValueCodec
  /** Bytes of changes, at the least, that bring the next snapshot. Default 8 MiB. */
  readonly snapshotBytes?: number
  /** Memory that entries may take; one more is refused. Default and most: 32 GiB. */
  readonly maxBytes?: number
}

export type TableSettings<Key, Value> = {
  readonly key: Transcoder<Key>
  readonly value: Transcoder<Value>
  readonly snapshotBytes: number
  readonly maxBytes: number
}

/** What an arena's references reach. */
const mostBytes = 32 * gibibyte

/** Checks what a caller asked for. @throws InvalidOptionError. */
export function checkTableSpec<Key, Value>(spec: unknown): TableSettings<Key, Value> {
  knownOptions('table', spec, ['key', 'value', 'snapshotBytes', 'maxBytes'])
  const { key, value, snapshotBytes, maxBytes } = spec as Record<string, never>
  if (key === undefined || value === undefined) {
    const expected = 'codecs for key and value'
    throw new InvalidOptionError({ option: 'table', value: spec, expected })
  }
  return {
    key: transcoderOf(key, 'key'),
    value: transcoderOf(value, 'value'),
    snapshotBytes: integerOption('snapshotBytes', snapshotBytes, { default: 8 * mebibyte, min: 1 }),
    maxBytes: integerOption('maxBytes', maxBytes, { default: mostBytes, min: 1, max: mostBytes }),
  }
}
