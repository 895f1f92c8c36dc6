/** Entry "stratalog": the embedded log. The TCP server is "stratalog/server". */
export { InvariantError } from './base/assert.ts'
export * from './base/errors.ts'
export type { Logger } from './base/logger.ts'
export type { DurabilityLevel, FilePosition, Offset } from './base/types.ts'
export type { EpochEnd } from './log/leader-epochs.ts'
export type { Log } from './log/log.ts'
export type { AppendedBatch } from './log/log-appender.ts'
export type { LogCursor } from './log/log-cursor.ts'
export type {
  Ack,
  AppendAck,
  AppendOptions,
  AppendProducer,
  FollowOptions,
  ReadFrom,
  ReadOptions,
  WriterOptions,
} from './log/log-options.ts'
export type { TimedOffset } from './log/log-search.ts'
export type { LogWriter, RecordAck } from './log/log-writer.ts'
export type { RawBatches, RawReadAtOptions, RawReadBounds, RawReadOptions } from './log/raw-read.ts'
export type { RecordStream } from './log/record-stream.ts'
export type { CodecName } from './record/codec-name.ts'
export type {
  LogRecord,
  RecordBytes,
  RecordFields,
  RecordHeader,
  RecordInput,
} from './record/record.ts'

export type { AtomicAck, AtomicOptions, AtomicTransaction } from './store/atomic-group.ts'
export type { Consumer, ConsumerOptions, EncodedCommit } from './store/consumer.ts'
export type { ConsumerLag, PositionEntry } from './store/consumer-position.ts'
export type { Finding, FindingKind } from './store/finding.ts'
export type {
  LogStorage,
  StorageAck,
  StorageAppendOptions,
  StorageChangeOptions,
  StorageExpectation,
  StorageGroup,
  StorageGroupAck,
  StorageLog,
  StorageTable,
  StorageTableSpec,
  StoredRecord,
} from './store/log-storage.ts'
export type { LostRecords, RepairAction } from './store/repair-action.ts'
export { type RepairOptions, type RepairReport, repairStore } from './store/repair-store.ts'
export { openStore, type Store, type TopicSpec } from './store/store.ts'
export type { ConsumerReport } from './store/store-consumers.ts'
export type { CheckProgress } from './store/store-inspection.ts'
export type { RecoveryProgress, RecoveryReport, StoreOptions } from './store/store-options.ts'
export type { RetentionReport, RetentionWarning } from './store/store-retention.ts'
export type { Topic } from './store/topic.ts'
export type { Defaults, DefaultsScope, TopicDefaults } from './store/topic-defaults.ts'
export { type VerifyOptions, type VerifyReport, verifyStore } from './store/verify-store.ts'
export type { EncodedChanges } from './table/encoded-changes.ts'
export type { KeyBounds, RangeOptions } from './table/key-range.ts'
export type {
  BatchChange,
  ChangeOptions,
  Table,
  WatchOptions,
} from './table/table.ts'
export type { CodecChoice, CodecValue, TableCodec } from './table/table-codec.ts'
export type { TableSpec } from './table/table-settings.ts'
export type { TableChange } from './table/table-watch.ts'
