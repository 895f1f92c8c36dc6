/**
 * ApiVersions: which APIs in which versions are served here. The first request of nearly every
 * client. One asked in a version above ours is answered in v0 (KIP-511), by broker.ts.
 *
 * Any software name is accepted: clients in the field send odd ones. No features are finalized
 * here yet, so none are listed and the epoch stays "unknown".
 */
import { defineApi } from '../../protocol/api.ts'
import { errorCodes } from '../../protocol/error-codes.ts'
import { array, bool, int16, int32, int64, string } from '../../protocol/schema.ts'
import { type ServedApi, serve } from '../served-api.ts'

export const apiVersionsApi = defineApi({
  key: 18,
  name: 'ApiVersions',
  versions: '0-4',
  flexible: '3+',
  request: {
    clientSoftwareName: string('3+', { ignorable: true }),
    clientSoftwareVersion: string('3+', { ignorable: true }),
  },
  response: {
    errorCode: int16(),
    apiKeys: array({
      apiKey: int16(),
      minVersion: int16(),
      maxVersion: int16(),
    }),
    throttleTimeMs: int32('1+', { default: 0, ignorable: true }),
    supportedFeatures: array(
      {
        name: string('3+'),
        minVersion: int16('3+'),
        maxVersion: int16('3+'),
      },
      '3+',
      { tag: 0, ignorable: true },
    ),
    finalizedFeaturesEpoch: int64('3+', { tag: 1, default: -1, ignorable: true }),
    finalizedFeatures: array(
      {
        name: string('3+'),
        maxVersionLevel: int16('3+'),
        minVersionLevel: int16('3+'),
      },
      '3+',
      { tag: 2, ignorable: true },
    ),
    zkMigrationReady: bool('3+', { tag: 3, default: false, ignorable: true }),
  },
})

export const apiVersions: ServedApi = serve(apiVersionsApi, {
  handle: (broker) => ({ errorCode: errorCodes.none, apiKeys: broker.apiVersions }),
  fail: (_request, errorCode) => ({ errorCode, apiKeys: [] }),
  mayOverlap: true,
})
