/** Ours, through the public door: one record per append at level `disk`, all settings default. */
import { type Log, openStore, type Store } from '../../../src/public.ts'
import type { DurableEngine } from '../durable-engine.ts'

export function makeStratalog(options: { logPerAppender: boolean }): DurableEngine {
  let store: Store
  let logs: Log[]
  return {
    async open(directory, appenders) {
      store = await openStore(directory)
      logs = []
      for (let i = 0; i < (options.logPerAppender ? appenders : 1); i++) {
        logs.push(await store.log(`bench-${i}`))
      }
    },
    append: (appender, value) =>
      logs[options.logPerAppender ? appender : 0]!.append({ value }, { level: 'disk' }),
    count: () => logs.reduce((sum, log) => sum + log.endOffset, 0),
    close: () => store.close(),
  }
}
