/**
 * One batch builder per codec for all logs of a store. An append builds and writes its batch
 * without yielding, so a builder is never in use twice, and thousands of logs share one buffer.
 */
import { BatchBuilder } from '../record/batch-builder.ts'
import type { CodecName } from '../record/codec-name.ts'

export class SharedBuilders {
  readonly #builders = new Map<CodecName, BatchBuilder>()

  /** An empty builder, to be finished and written before the caller yields. */
  take(codec: CodecName): BatchBuilder {
    let builder = this.#builders.get(codec)
    if (builder === undefined) {
      builder = new BatchBuilder({ codec })
      this.#builders.set(codec, builder)
    }
    builder.reset()
    return builder
  }
}
