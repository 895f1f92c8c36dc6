// Exactly once, in one process: counts the words of a log. What a line changes (the counts, a log of what
// they came to, and how far the consumer has read) is one atomic group, so that a crash at any point
// leaves all of it or nothing, and the next run goes on where that leaves off. Kill it when you like:
//
//     node 08-word-count.js [text file]
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { openStore, type Store } from 'stratalog'

export async function openWordCount(store: Store) {
  return {
    lines: await store.log('lines'),
    counts: await store.table('counts', { key: 'string', value: 'uint64' }),
    changes: await store.log('changes'),
  }
}

/** Counts line by line, from where the last run came to, until `end` lines are counted. */
export async function countWords(
  store: Store,
  end: number,
  { level = 'disk' }: { level?: 'os' | 'disk' } = {},
): Promise<void> {
  const { lines, counts, changes } = await openWordCount(store)
  const consumer = await store.consumer('word-count', lines)
  if (consumer.position >= end) return
  for await (const line of consumer) {
    const found = new Map<string, number>()
    for (const word of line.value?.toString().match(/\w+/g) ?? []) {
      found.set(word, (found.get(word) ?? counts.get(word) ?? 0) + 1)
    }
    await store.atomic(
      (tx) => {
        for (const [word, count] of found) {
          tx.put(counts, word, count)
          tx.append(changes, { key: word, value: String(count) })
        }
        tx.commitPosition(consumer)
      },
      { level },
    )
    if (consumer.position >= end) break
  }
  consumer.close()
}

async function main(): Promise<void> {
  const file = process.argv[2]
  const text =
    file === undefined
      ? ['the log under Node', 'the log is the queue', 'the queue is the store']
      : readFileSync(file, 'utf8').trimEnd().split('\n')
  const store = await openStore('./data')
  const { lines, counts } = await openWordCount(store)
  // Where the log ends tells which lines are in it already.
  while (lines.endOffset < text.length) {
    await lines.append(text.slice(lines.endOffset, lines.endOffset + 100))
  }
  await countWords(store, text.length)
  for (const [word, count] of counts.range()) console.log(`${word}: ${count}`)
  await store.close()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
