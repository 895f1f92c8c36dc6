/**
 * `stratalog topics`: what a data directory holds, read from its files. Takes no lock, so it also
 * works on a directory in use.
 */
import { resolve } from 'node:path'
import { StoreFormatError } from '../../base/errors.ts'
import { silentLogger } from '../../base/logger.ts'
import { nodeFileSystem } from '../../platform/node-file-system.ts'
import { logSuffix, offsetOfFileName } from '../../segment/segment-file-name.ts'
import { findLogDirectories } from '../../store/log-directories.ts'
import { logDirectoryName } from '../../store/store-layout.ts'
import { noPositionals, parseArguments } from '../arguments.ts'
import { formatBytes } from '../progress-bar.ts'

export const help = `Usage: stratalog topics [options]

Lists the topics of a data directory. Reads only; works while a server has it open.

  --data <dir>   data directory   (./data)
  --json         one JSON object a line: name, id, partitions, segments, bytes

Exit codes: 0 done, 1 the directory is missing or unreadable, 2 usage.`

type TopicLine = {
  name: string
  id: string | undefined
  partitions: number
  segments: number
  bytes: number
}

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, {
    data: { type: 'string' },
    json: { type: 'boolean' },
  })
  noPositionals(positionals)
  const directory = resolve(values.data ?? './data')
  if (nodeFileSystem.stat(directory)?.kind !== 'directory') {
    throw new StoreFormatError({ path: directory, reason: 'is no data directory' })
  }
  const lines = readTopics(directory)
  for (const line of lines) {
    process.stdout.write(values.json === true ? `${JSON.stringify(line)}\n` : format(line))
  }
  if (lines.length === 0 && values.json !== true) process.stdout.write('no topics\n')
  return 0
}

function readTopics(directory: string): TopicLine[] {
  const { topics } = findLogDirectories(nodeFileSystem, directory, silentLogger)
  return Array.from(topics, ([name, { id, partitions }]) => {
    let segments = 0
    let bytes = 0
    for (const partition of partitions) {
      const path = `${directory}/${logDirectoryName(name, partition)}`
      for (const file of nodeFileSystem.readDirectory(path)) {
        if (offsetOfFileName(file, logSuffix) === undefined) continue
        segments++
        bytes += nodeFileSystem.stat(`${path}/${file}`)?.sizeBytes ?? 0
      }
    }
    return { name, id, partitions: partitions.size, segments, bytes }
  })
}

function format({ name, id, partitions, segments, bytes }: TopicLine): string {
  const counts = `${partitions} partition${partitions === 1 ? '' : 's'}, ${segments} segments`
  return `${name.padEnd(30)} ${id ?? '-'.padEnd(22)}  ${counts}, ${formatBytes(bytes)}\n`
}
