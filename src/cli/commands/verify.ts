/** `stratalog verify`: reads a whole data directory and says what is wrong with it. */
import { resolve } from 'node:path'
import { findingText } from '../../store/finding.ts'
import { type VerifyReport, verifyStore } from '../../store/verify-store.ts'
import { parseArguments, UsageError } from '../arguments.ts'
import { formatBytes, ProgressBar } from '../progress-bar.ts'

export const help = `Usage: stratalog verify <dir> [options]

Reads every byte of a data directory that nobody has open: batches with their checksums, offsets and
records, indexes, snapshots of producers and tables, leader epochs, checkpoints, meta.properties,
topic ids and the store's own table. Changes nothing.

Prints one line for each finding: what is wrong, which offsets are concerned, and where. "damage" is
what "stratalog repair <dir>" deals with. "note" needs nothing: after a stop that was not clean, what
is not recovered yet is dealt with when a server opens the directory.

  --json   one JSON object a line for each finding, and one with the totals at the end

Exit codes: 0 nothing is damaged, 1 damage was found, or the directory is in use or cannot be read,
2 usage.`

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, { json: { type: 'boolean' } })
  const directory = directoryArgument('verify', positionals)
  const bar = new ProgressBar('verifying')
  let report: VerifyReport
  try {
    report = await verifyStore(directory, {
      onProgress: ({ checkedBytes, totalBytes, log }) =>
        bar.update(checkedBytes, totalBytes, `${formatBytes(checkedBytes)} ${log}`),
    })
  } finally {
    bar.end()
  }
  process.stdout.write(values.json === true ? reportJson(report) : reportText(report, directory))
  return report.isWhole ? 0 : 1
}

/** The one directory a command works on. */
export function directoryArgument(command: string, positionals: readonly string[]): string {
  const [directory, ...others] = positionals
  if (directory !== undefined && others.length === 0) return resolve(directory)
  throw new UsageError(`${command} takes one data directory`)
}

function reportJson({ findings, ...totals }: VerifyReport): string {
  return [...findings, totals].map((line) => `${JSON.stringify(line)}\n`).join('')
}

function reportText(report: VerifyReport, directory: string): string {
  const { findings, logCount, segmentCount, batchCount, recordCount, checkedBytes } = report
  const damages = findings.filter(({ severity }) => severity === 'damage').length
  const counts =
    `${logCount} logs, ${segmentCount} segments, ${batchCount} batches, ${recordCount} records, ` +
    `${formatBytes(checkedBytes)}`
  const verdict = report.isWhole
    ? 'nothing is damaged'
    : `${damages} damage${damages === 1 ? '' : 's'} found; see: stratalog repair ${directory}`
  return `${findings.map((finding) => `${findingText(finding)}\n`).join('')}${counts}: ${verdict}\n`
}
