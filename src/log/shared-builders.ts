/**
 * One batch builder per codec for all logs of a store, so that thousands of logs share one buffer. An
 * append builds and writes its batch without yielding; but it may call those who wait for earlier ones
 * on its way, who append too. They get a builder of their own.
 */
import { BatchBuilder } from '../record/batch-builder.ts'
import type { CodecName } from '../record/codec-name.ts'

export type BuilderLease = {
  readonly builder: BatchBuilder
  /** Set it to false to give the builder back: nothing that it holds is needed any more. */
  isTaken: boolean
}

function leaseOf(codec: CodecName): BuilderLease {
  return { builder: new BatchBuilder({ codec }), isTaken: true }
}

export class SharedBuilders {
  readonly #shared = new Map<CodecName, BuilderLease>()

  /** An empty builder, to be finished, written and given back before the caller yields. */
  take(codec: CodecName): BuilderLease {
    let lease = this.#shared.get(codec)
    if (lease?.isTaken === true) return leaseOf(codec)
    if (lease === undefined) {
      lease = leaseOf(codec)
      this.#shared.set(codec, lease)
    }
    lease.isTaken = true
    lease.builder.reset()
    return lease
  }
}
