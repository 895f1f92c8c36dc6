import { readdirSync } from 'node:fs'

/** Names at the top of a directory that was closed cleanly. */
const topFiles =
  /^(\.kafka_cleanshutdown|meta\.properties|(recovery-point-offset|log-start-offset)-checkpoint)$/
const logDirectory = /^[a-zA-Z0-9._-]+-\d+$/
const logFile =
  /^(\d{20}\.(log|index|timeindex|snapshot)|leader-epoch-checkpoint|partition\.metadata)$/

/** What a data directory holds after a clean stop that Kafka would not have left there. */
export function strangeFiles(directory: string): string[] {
  const strange: string[] = []
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isFile() && topFiles.test(entry.name)) continue
    if (!entry.isDirectory() || !logDirectory.test(entry.name)) {
      strange.push(entry.name)
      continue
    }
    for (const name of readdirSync(`${directory}/${entry.name}`)) {
      if (!logFile.test(name)) strange.push(`${entry.name}/${name}`)
    }
  }
  return strange.map((name) => `${name} is no file that Kafka leaves after a clean stop`)
}
