/** What a fetch asks of one partition, and what it is answered. */
import type { EpochEnd } from '../log/leader-epochs.ts'
import type { FileSlice } from '../platform/file-slice.ts'

export type AskedPartition = {
  readonly partition: number
  /** −1 = unchecked. */
  readonly currentLeaderEpoch: number
  readonly fetchOffset: number
  /** Epoch of the last record the client has, −1 = it does not say. */
  readonly lastFetchedEpoch: number
  readonly partitionMaxBytes: number
}

export type PartitionData = {
  readonly partitionIndex: number
  readonly errorCode: number
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStartOffset: number
  readonly divergingEpoch?: EpochEnd
  readonly abortedTransactions: readonly { producerId: number; firstOffset: number }[] | null
  readonly records: Buffer | FileSlice
}
