// A writer groups records sent one at a time into compressed batches; each send has its own ack.
import { type CodecName, openStore } from 'stratalog'

const store = await openStore('./data')
const codecs: CodecName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
for (const compression of codecs) {
  const log = await store.log(`events-${compression}`)
  const sizeBefore = log.sizeBytes
  const writer = log.writer({ compression, lingerMs: 5, batchBytes: 65_536 })
  const acks = []
  for (let i = 0; i < 5_000; i++) {
    acks.push(writer.send({ key: `user-${i % 100}`, value: `{"event":"click","count":${i}}` }))
  }
  await writer.close() // sends what still waits; every promise is settled afterwards
  const last = (await Promise.all(acks)).at(-1)
  const bytes = log.sizeBytes - sizeBefore
  console.log(`${compression}: ${acks.length} records in ${bytes} bytes, level ${last?.level}`)
}
await store.close()
