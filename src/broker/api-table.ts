/** Every API that is served. Adding one: a file in api/ and a line here. */
import type { Api } from '../protocol/api.ts'
import { apiVersionsApi } from './api/api-versions.ts'
import { createPartitionsApi } from './api/create-partitions.ts'
import { createTopicsApi } from './api/create-topics.ts'
import { deleteTopicsApi } from './api/delete-topics.ts'
import { describeClusterApi } from './api/describe-cluster.ts'
import { describeConfigsApi } from './api/describe-configs.ts'
import { fetchApi } from './api/fetch.ts'
import { initProducerIdApi } from './api/init-producer-id.ts'
import { listOffsetsApi } from './api/list-offsets.ts'
import { metadataApi } from './api/metadata.ts'
import { produceApi } from './api/produce.ts'

export const servedApis: readonly Api[] = [
  produceApi,
  fetchApi,
  listOffsetsApi,
  metadataApi,
  apiVersionsApi,
  createTopicsApi,
  deleteTopicsApi,
  initProducerIdApi,
  describeConfigsApi,
  createPartitionsApi,
  describeClusterApi,
]
