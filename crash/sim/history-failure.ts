import { inspect } from 'node:util'

/** A promise that was not kept: where, how to see it again, and what had just happened. */
export class HistoryFailure extends Error {
  override readonly name = 'HistoryFailure'

  constructor(details: {
    /** Seed, life, crash class: as many as it takes to know the place. */
    readonly place: string
    readonly replay: readonly string[]
    readonly trace: readonly string[]
    readonly cause: unknown
  }) {
    const { place, replay, trace, cause } = details
    const text = cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause)
    super(
      [
        `${place}: ${text}`,
        'the same again:',
        ...replay.map((command) => `  ${command}`),
        'what happened last:',
        ...trace,
      ].join('\n'),
      { cause },
    )
  }
}
