/** Every API that is served. Adding one: a file in api/ and a line here. */
import { alterConfigs } from './api/alter-configs.ts'
import { apiVersions } from './api/api-versions.ts'
import { createPartitions } from './api/create-partitions.ts'
import { createTopics } from './api/create-topics.ts'
import { deleteTopics } from './api/delete-topics.ts'
import { describeCluster } from './api/describe-cluster.ts'
import { describeConfigs } from './api/describe-configs.ts'
import { fetch } from './api/fetch.ts'
import { incrementalAlterConfigs } from './api/incremental-alter-configs.ts'
import { initProducerId } from './api/init-producer-id.ts'
import { listOffsets } from './api/list-offsets.ts'
import { metadata } from './api/metadata.ts'
import { produce } from './api/produce.ts'
import type { ServedApi } from './served-api.ts'

export const servedApis: readonly ServedApi[] = [
  produce,
  fetch,
  listOffsets,
  metadata,
  apiVersions,
  createTopics,
  deleteTopics,
  initProducerId,
  describeConfigs,
  alterConfigs,
  createPartitions,
  incrementalAlterConfigs,
  describeCluster,
]
