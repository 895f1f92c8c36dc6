// Find where to start reading by time: the first record at or after a timestamp.
import { openStore } from 'stratalog'

const hourMs = 3_600_000
const store = await openStore('./data')
const log = await store.log('visits')

const startMs = Math.floor(Date.now() / hourMs) * hourMs - 24 * hourMs
const visits = Array.from({ length: 24 }, (_, hour) => ({
  value: `visit in hour ${hour}`,
  timestamp: startMs + hour * hourMs,
}))
await log.append(visits) // one batch, one ack

const found = log.offsetForTimestamp(startMs + 20.5 * hourMs)
if (found === undefined) throw new Error('no record is that young')
console.log(`hour 20.5 → ${(found.timestamp - startMs) / hourMs} h after the start`)
for await (const record of log.read({ from: found.offset })) console.log(String(record.value))
await store.close()
