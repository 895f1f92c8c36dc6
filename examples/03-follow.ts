// Follow a log like `tail -f`: records arrive as they are appended, until the signal is aborted.
import { openStore } from 'stratalog'

const store = await openStore('./data')
const log = await store.log('measurements')
const controller = new AbortController()

const following = (async () => {
  let count = 0
  for await (const record of log.follow({ from: 'end', signal: controller.signal })) {
    console.log(`followed: ${record.value}`)
    if (++count === 3) controller.abort()
  }
  console.log(`stopped after ${count} records`)
})()

for (const degrees of [20.5, 21, 21.5]) await log.append(`${degrees} °C`, { level: 'os' })
await following
await store.close()
