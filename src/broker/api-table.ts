/** Every API that is served. Adding one: a file in api/ and a line here. */
import { alterClientQuotas } from './api/alter-client-quotas.ts'
import { alterConfigs } from './api/alter-configs.ts'
import { alterPartitionReassignments } from './api/alter-partition-reassignments.ts'
import { alterUserScramCredentials } from './api/alter-user-scram-credentials.ts'
import { apiVersions } from './api/api-versions.ts'
import { createAcls } from './api/create-acls.ts'
import { createPartitions } from './api/create-partitions.ts'
import { createTopics } from './api/create-topics.ts'
import { deleteAcls } from './api/delete-acls.ts'
import { deleteGroups } from './api/delete-groups.ts'
import { deleteRecords } from './api/delete-records.ts'
import { deleteTopics } from './api/delete-topics.ts'
import { describeAcls } from './api/describe-acls.ts'
import { describeClientQuotas } from './api/describe-client-quotas.ts'
import { describeCluster } from './api/describe-cluster.ts'
import { describeConfigs } from './api/describe-configs.ts'
import { describeGroups } from './api/describe-groups.ts'
import { describeLogDirs } from './api/describe-log-dirs.ts'
import { describeProducers } from './api/describe-producers.ts'
import { describeQuorum } from './api/describe-quorum.ts'
import { describeTopicPartitions } from './api/describe-topic-partitions.ts'
import { describeTransactions } from './api/describe-transactions.ts'
import { describeUserScramCredentials } from './api/describe-user-scram-credentials.ts'
import { electLeaders } from './api/elect-leaders.ts'
import { fetch } from './api/fetch.ts'
import { findCoordinator } from './api/find-coordinator.ts'
import { heartbeat } from './api/heartbeat.ts'
import { incrementalAlterConfigs } from './api/incremental-alter-configs.ts'
import { initProducerId } from './api/init-producer-id.ts'
import { joinGroup } from './api/join-group.ts'
import { leaveGroup } from './api/leave-group.ts'
import { listConfigResources } from './api/list-config-resources.ts'
import { listGroups } from './api/list-groups.ts'
import { listOffsets } from './api/list-offsets.ts'
import { listPartitionReassignments } from './api/list-partition-reassignments.ts'
import { listTransactions } from './api/list-transactions.ts'
import { metadata } from './api/metadata.ts'
import { offsetCommit } from './api/offset-commit.ts'
import { offsetDelete } from './api/offset-delete.ts'
import { offsetFetch } from './api/offset-fetch.ts'
import { offsetForLeaderEpoch } from './api/offset-for-leader-epoch.ts'
import { produce } from './api/produce.ts'
import { syncGroup } from './api/sync-group.ts'
import type { ServedApi } from './served-api.ts'

export const servedApis: readonly ServedApi[] = [
  produce,
  fetch,
  listOffsets,
  metadata,
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  apiVersions,
  createTopics,
  deleteTopics,
  initProducerId,
  describeAcls,
  createAcls,
  deleteAcls,
  describeConfigs,
  alterConfigs,
  createPartitions,
  deleteGroups,
  incrementalAlterConfigs,
  offsetDelete,
  describeCluster,
  deleteRecords,
  offsetForLeaderEpoch,
  describeLogDirs,
  electLeaders,
  alterPartitionReassignments,
  listPartitionReassignments,
  describeTopicPartitions,
  describeClientQuotas,
  alterClientQuotas,
  describeUserScramCredentials,
  alterUserScramCredentials,
  describeQuorum,
  describeProducers,
  describeTransactions,
  listTransactions,
  listConfigResources,
]
