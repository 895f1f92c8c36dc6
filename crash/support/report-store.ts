import type { Store } from '../../src/public.ts'
import { readStore } from './read-store.ts'
import { report } from './report-lines.ts'

const idsPerLine = 500

/** Reports every topic and record of a store. */
export async function reportStore(store: Store): Promise<void> {
  const { topics, logs } = await readStore(store, (fault) => report('fault', fault))
  for (const topic of topics) report('topic', topic)
  for (const [name, { start, ids }] of logs) {
    report('log', name, start)
    for (let at = 0; at < ids.length; at += idsPerLine) {
      report('ids', ...ids.slice(at, at + idsPerLine))
    }
  }
}
