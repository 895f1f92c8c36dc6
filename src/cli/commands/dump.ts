/**
 * `stratalog dump`: the batches or records of `.log` files as they stand on disk. Takes no lock and
 * changes nothing; stops at the first damaged batch of a file and says where it is.
 */
import { resolve } from 'node:path'
import { LogError, StoreFormatError } from '../../base/errors.ts'
import { nodeFileSystem } from '../../platform/node-file-system.ts'
import type { BatchView } from '../../record/batch-view.ts'
import { RecordCursor } from '../../record/record-cursor.ts'
import { BatchScanner } from '../../segment/batch-scanner.ts'
import { logSuffix, offsetOfFileName } from '../../segment/segment-file-name.ts'
import { parseArguments, UsageError } from '../arguments.ts'

export const help = `Usage: stratalog dump <dir | file.log> [options]

Prints the batches of a segment file, or of every segment below a directory.
Reads only; works while a server has the directory open.

  --records   print records instead of batches
  --json      one JSON object a line (keys and values in UTF-8)

Exit codes: 0 all batches are whole, 1 a batch is damaged or nothing was found, 2 usage.`

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, {
    records: { type: 'boolean' },
    json: { type: 'boolean' },
  })
  const [target, ...others] = positionals
  if (target === undefined || others.length > 0) {
    throw new UsageError('dump takes one directory or .log file')
  }
  const files = findLogFiles(resolve(target))
  const print = values.records === true ? recordPrinter : batchPrinter
  let areWhole = true
  for (const file of files) {
    if (values.json !== true) await write(`${file}\n`)
    areWhole = (await dumpFile(file, print(values.json === true, file))) && areWhole
  }
  return areWhole ? 0 : 1
}

function findLogFiles(path: string): string[] {
  const stat = nodeFileSystem.stat(path)
  if (stat === undefined) throw new StoreFormatError({ path, reason: 'no such file or directory' })
  if (stat.kind === 'file') {
    if (path.endsWith(logSuffix)) return [path]
    throw new UsageError(`${path} is not a .log file`)
  }
  const files: string[] = []
  for (const name of nodeFileSystem.readDirectory(path)) {
    const child = `${path}/${name}`
    if (offsetOfFileName(name, logSuffix) !== undefined) files.push(child)
    else if (nodeFileSystem.stat(child)?.kind === 'directory') {
      const names = nodeFileSystem.readDirectory(child)
      const logs = names.filter((inner) => offsetOfFileName(inner, logSuffix) !== undefined)
      files.push(...logs.map((inner) => `${child}/${inner}`))
    }
  }
  if (files.length === 0) throw new StoreFormatError({ path, reason: 'holds no .log files' })
  return files
}

/** @returns whether every batch of the file is whole. */
async function dumpFile(
  path: string,
  print: (view: BatchView, position: number) => string,
): Promise<boolean> {
  const file = nodeFileSystem.open(path, 'read')
  try {
    const scanner = new BatchScanner(file, 'whole').start(0, file.size())
    for (;;) {
      const step = scanner.next()
      if (step === 'end') return true
      const fault =
        step !== 'batch'
          ? `${step} batch`
          : scanner.view.hasValidCrc()
            ? undefined
            : 'checksum mismatch'
      if (fault !== undefined) {
        process.stderr.write(`${fault} at byte ${scanner.position} of ${path}\n`)
        return false
      }
      await write(print(scanner.view, scanner.position))
    }
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    process.stderr.write(`${error.message}, in ${path}\n`)
    return false
  } finally {
    file.close()
  }
}

function batchPrinter(
  isJson: boolean,
  file: string,
): (view: BatchView, position: number) => string {
  return (view, position) => {
    const { baseOffset, lastOffset, recordCount, sizeBytes, codec, leaderEpoch, crc } = view
    const { maxTimestamp, producerId, producerEpoch, baseSequence } = view
    if (isJson) {
      const { isTransactional, isControl, timestampType } = view
      const header = { file, position, sizeBytes, baseOffset, lastOffset, recordCount, codec }
      const producer = { producerId, producerEpoch, baseSequence, isTransactional, isControl }
      return `${JSON.stringify({ ...header, leaderEpoch, maxTimestamp, timestampType, crc, ...producer })}\n`
    }
    const producer =
      producerId < 0 ? '' : ` producer ${producerId}/${producerEpoch} sequence ${baseSequence}`
    const marks = `${view.isTransactional ? ' transactional' : ''}${view.isControl ? ' control' : ''}`
    return (
      `  ${baseOffset}–${lastOffset}  ${recordCount} records  ${sizeBytes} bytes at ${position}  ` +
      `${codec}  ${timeText(maxTimestamp)}  epoch ${leaderEpoch}  crc 0x${crc.toString(16)}${producer}${marks}\n`
    )
  }
}

function recordPrinter(
  isJson: boolean,
  file: string,
): (view: BatchView, position: number) => string {
  const cursor = new RecordCursor()
  return (view) => {
    let text = ''
    cursor.open(view.bytes, view.position)
    while (cursor.next()) {
      const { offset, timestamp } = cursor
      const key = cursor.key()?.toString() ?? null
      const value = cursor.value()?.toString() ?? null
      const headers = cursor
        .headers()
        .map((header) => ({ key: header.key, value: header.value?.toString() ?? null }))
      text += isJson
        ? `${JSON.stringify({ file, offset, timestamp, key, value, headers })}\n`
        : `  ${offset}  ${timeText(timestamp)}  ${quoted(key)} → ${quoted(value)}${headersText(headers)}\n`
    }
    return text
  }
}

function headersText(headers: readonly { key: string; value: string | null }[]): string {
  return headers.map(({ key, value }) => `  ${key}=${quoted(value)}`).join('')
}

function quoted(text: string | null): string {
  return text === null ? 'null' : JSON.stringify(text)
}

function timeText(timestamp: number): string {
  if (timestamp < 0) return 'no time'
  // Beyond what Date can show, the bare number is the honest answer.
  return timestamp <= 8.64e15 ? new Date(timestamp).toISOString() : String(timestamp)
}

/** Waits when the reader of stdout is slower than the disk. */
function write(text: string): Promise<void> {
  if (process.stdout.write(text)) return Promise.resolve()
  return new Promise((resolve) => process.stdout.once('drain', resolve))
}
