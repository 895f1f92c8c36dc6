/**
 * `meta.properties`: who a data directory belongs to. Java properties text, as Kafka writes it.
 */
import { StoreFormatError } from '../base/errors.ts'
import { readTextFile, replaceTextFile } from '../flush/checkpoint-file.ts'
import type { File, FileSystem } from '../platform/file-system.ts'
import { metaPropertiesFileName } from './store-layout.ts'
import { isId, randomId } from './uuid.ts'

export type MetaProperties = {
  readonly clusterId: string
  readonly nodeId: number
}

/** Who the directory belongs to; undefined when it has no file. Changes nothing. */
export function readMetaProperties(
  fileSystem: FileSystem,
  directory: string,
): { readonly clusterId: string | undefined; readonly nodeId: number } | undefined {
  const path = `${directory}/${metaPropertiesFileName}`
  const text = readTextFile(fileSystem, path)
  return text === undefined ? undefined : parse(text, path)
}

/**
 * Writes the file anew with what can still be read of it: lines that are damaged are made as for a
 * new directory. Durable on return.
 */
export function rewriteMetaProperties(fileSystem: FileSystem, directory: string): MetaProperties {
  const values = readValues(
    readTextFile(fileSystem, `${directory}/${metaPropertiesFileName}`) ?? '',
  )
  const clusterId = values.get('cluster.id') ?? ''
  const nodeText = values.get('node.id') ?? values.get('broker.id') ?? ''
  const meta = {
    clusterId: isPrintable(clusterId) ? clusterId : randomId(),
    nodeId: isNodeId(nodeText) ? Number(nodeText) : 1,
  }
  replaceTextFile(fileSystem, directory, metaPropertiesFileName, format(meta))
  return meta
}

/** Reads the file, or writes it for a directory that has none. */
export function loadMetaProperties(
  fileSystem: FileSystem,
  directory: string,
  wanted: { readonly clusterId: string | undefined; readonly nodeId: number | undefined },
): MetaProperties {
  const path = `${directory}/${metaPropertiesFileName}`
  const text = readTextFile(fileSystem, path)
  if (text === undefined) {
    const meta = { clusterId: wanted.clusterId ?? randomId(), nodeId: wanted.nodeId ?? 1 }
    replaceTextFile(fileSystem, directory, metaPropertiesFileName, format(meta))
    return meta
  }
  const found = parse(text, path)
  const meta = { ...found, clusterId: found.clusterId ?? wanted.clusterId ?? randomId() }
  if (found.clusterId === undefined) {
    replaceTextFile(fileSystem, directory, metaPropertiesFileName, format(meta))
  }
  if (wanted.clusterId !== undefined && wanted.clusterId !== meta.clusterId) {
    const reason = `cluster.id is ${meta.clusterId}: expected ${wanted.clusterId}`
    throw new StoreFormatError({ path, reason })
  }
  if (wanted.nodeId !== undefined && wanted.nodeId !== meta.nodeId) {
    throw new StoreFormatError({
      path,
      reason: `node.id is ${meta.nodeId}: expected ${wanted.nodeId}`,
    })
  }
  return meta
}

function format(meta: MetaProperties): string {
  const lines = [
    '#',
    `cluster.id=${meta.clusterId}`,
    `directory.id=${randomId()}`,
    `node.id=${meta.nodeId}`,
    'version=1',
  ]
  return `${lines.join('\n')}\n`
}

function parse(
  text: string,
  path: string,
): { readonly clusterId: string | undefined; readonly nodeId: number } {
  const values = readValues(text)
  const version = values.get('version') ?? '0'
  if (version !== '0' && version !== '1') {
    throw new StoreFormatError({ path, reason: `version is ${version}: expected 0 or 1` })
  }
  if (!values.has('node.id') && !values.has('broker.id') && !values.has('cluster.id')) {
    throw new StoreFormatError({ path, reason: 'neither cluster.id nor node.id is in it' })
  }
  if (version === '1' && !(values.has('cluster.id') && values.has('node.id'))) {
    throw new StoreFormatError({ path, reason: 'version 1 needs both cluster.id and node.id' })
  }
  // Version 0 may lack the cluster id and calls the node id broker.id.
  const clusterId = values.get('cluster.id')
  const nodeText = values.get('node.id') ?? values.get('broker.id') ?? '1'
  if (!isNodeId(nodeText)) {
    throw new StoreFormatError({ path, reason: `node.id is ${nodeText}: expected 0 … 2147483647` })
  }
  if (clusterId !== undefined && !isPrintable(clusterId)) {
    const shown = JSON.stringify(clusterId)
    throw new StoreFormatError({ path, reason: `cluster.id is ${shown}: expected printable text` })
  }
  return { clusterId, nodeId: Number(nodeText) }
}

function readValues(text: string): Map<string, string> {
  const values = new Map<string, string>()
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*([^#!\s=:][^=:]*?)\s*[=:]\s*(.*?)\s*$/.exec(line)
    if (match !== null) values.set(match[1] as string, match[2] as string)
  }
  return values
}

function isNodeId(text: string): boolean {
  return /^\d+$/.test(text) && Number(text) <= 0x7fff_ffff
}

/** Not empty, ASCII without blanks: what a damaged byte most often is not. */
function isPrintable(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text)
}

/**
 * Reads the topic id of a partition directory; undefined when it has none, or none that can be
 * read: a power cut may leave the file empty, and the store's own table knows the id.
 */
export function readTopicId(fileSystem: FileSystem, path: string): string | undefined {
  const text = readTextFile(fileSystem, path)
  if (text === undefined) return undefined
  const id = /^version:\s+\d+\s*\ntopic_id:\s+(\S+)\s*$/.exec(text)?.[1]
  return id !== undefined && isId(id) ? id : undefined
}

/**
 * Writes the topic id of a partition directory. The content is durable on return, the name with
 * the first sync of the directory: records that are durable always have their topic's id.
 */
export function writeTopicId(fileSystem: FileSystem, path: string, topicId: string): void {
  const file = fileSystem.open(path, 'open-or-create')
  try {
    fillTopicId(file, topicId)
    file.flushSync()
  } finally {
    file.close()
  }
}

/** The same, durable when the promise resolves. */
export async function writeTopicIdLater(
  fileSystem: FileSystem,
  path: string,
  topicId: string,
): Promise<void> {
  const file = fileSystem.open(path, 'open-or-create')
  try {
    fillTopicId(file, topicId)
    await file.flush()
  } finally {
    file.close()
  }
}

function fillTopicId(file: File, topicId: string): void {
  const bytes = Buffer.from(`version: 0\ntopic_id: ${topicId}`)
  file.write(bytes, 0)
  file.truncate(bytes.length)
}
