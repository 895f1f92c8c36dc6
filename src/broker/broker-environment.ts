/** What handlers of requests work with. One per server, passed to every handler. */
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { DurabilityLevel } from '../base/types.ts'
import type { Store } from '../store/store.ts'
import type { Topic } from '../store/topic.ts'
import type { ClientQuotas } from './client-quotas.ts'
import type { Cluster } from './cluster.ts'
import type { ParkingLot } from './delayed-fetch.ts'
import type { FetchSessions } from './fetch-sessions.ts'
import type { GroupCoordinator } from './groups/group-coordinator.ts'
import type { GroupSettings } from './groups/group-settings.ts'
import type { IdleBrokerConfig } from './idle-broker-config.ts'
import type { RecentDeletions } from './recent-deletions.ts'
import type { ScramCredentials } from './scram-credentials.ts'
import type { StorageFaults } from './storage-faults.ts'

export type BrokerSettings = {
  /** Metadata for a topic that is not there creates it, when the client allows. */
  readonly autoCreateTopics: boolean
  /** Partitions of a topic that is created without a number of them. */
  readonly defaultPartitions: number
  /** What an answer to a produce request with acks 1 and all waits for. */
  readonly acksLevels: { readonly 1: DurabilityLevel; readonly all: DurabilityLevel }
  /** Node ids of this process: the store's own and those that follow it. */
  readonly brokerCount: number
  /** Where the nodes stand, as clients are told; null = not said. */
  readonly rack: string | null
  /** Replicas of a topic that is created without a number of them, at most one per node. */
  readonly defaultReplicationFactor: number
  /** Accept topics that ask for more replicas than there are nodes. */
  readonly lenientReplicationFactor: boolean
  /** Record bytes one fetch answer may hold, whatever the client asks for. */
  readonly fetchMaxBytes: number
  /** Incremental fetch sessions kept at a time; 0 declines them. */
  readonly fetchSessionSlots: number
  /** Shown as `socket.request.max.bytes`, `connections.max.idle.ms` and `socket.send.buffer.bytes`. */
  readonly maxRequestBytes: number
  readonly idleTimeoutMs: number
  readonly sendBufferBytes: number
  readonly groups: GroupSettings
}

/** One line of an ApiVersions answer. */
export type ApiVersionRange = {
  readonly apiKey: number
  readonly minVersion: number
  readonly maxVersion: number
}

export type BrokerEnvironment = {
  readonly store: Store
  readonly settings: BrokerSettings
  readonly cluster: Cluster
  /** Every API served, by key. */
  readonly apiVersions: readonly ApiVersionRange[]
  readonly parking: ParkingLot
  readonly fetchSessions: FetchSessions
  readonly groups: GroupCoordinator
  readonly quotas: ClientQuotas
  readonly idleConfig: IdleBrokerConfig
  readonly credentials: ScramCredentials
  /** Topics being created because somebody asked for them, by name. */
  readonly creations: Map<string, Promise<Topic>>
  readonly deletions: RecentDeletions
  readonly faults: StorageFaults
  readonly clock: Clock
  readonly logger: Logger
}
