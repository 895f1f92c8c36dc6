/**
 * One batch builder per codec for all logs of a store. An append builds and writes its batch
 * without yielding, so a builder is never in use twice, and thousands of logs share one buffer.
 */
import { BatchBuilder } from '../record/batch-builder.ts'
import type { CodecName } from '../record/codec-name.ts'
import { maxRunBytes } from './append-run.ts'

/** More are made when more logs have appends that wait. */
const keptRunBuffers = 4

export class SharedBuilders {
  readonly #builders = new Map<CodecName, BatchBuilder>()
  readonly #runBuffers: Buffer[] = []

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

  /** For batches that wait to be written together; to be given back then. */
  takeRunBuffer(): Buffer {
    return this.#runBuffers.pop() ?? Buffer.allocUnsafeSlow(maxRunBytes)
  }

  giveRunBuffer(buffer: Buffer): void {
    if (this.#runBuffers.length < keptRunBuffers) this.#runBuffers.push(buffer)
  }
}
