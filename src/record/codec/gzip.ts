/** gzip (RFC 1952) by node:zlib. Reads several members in a row. */
import { gunzipSync, gzipSync } from 'node:zlib'
import { kibibyte, mebibyte } from '../../base/units.ts'
import { brokenData, type Codec, tooLarge } from './codec.ts'

export const gzipCodec: Codec = {
  compress(bytes, level) {
    return gzipSync(bytes, level === undefined ? {} : { level })
  },

  decompress(bytes, maxBytes) {
    // zlib fills chunks of this size and joins them; records compress three- to five-fold.
    const chunkSize = Math.min(mebibyte, Math.max(4 * kibibyte, bytes.length * 4))
    try {
      const result = gunzipSync(bytes, { maxOutputLength: Math.max(1, maxBytes), chunkSize })
      if (result.length > maxBytes) throw tooLarge(result.length, maxBytes)
      return result
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
        throw tooLarge(maxBytes + 1, maxBytes)
      }
      throw brokenData('gzip', error)
    }
  },
}
