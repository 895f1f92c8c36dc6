/** `stratalog repair`: says how a damaged data directory is made whole, and with --apply does it. */
import { findingText, offsetsText } from '../../store/finding.ts'
import { type RepairReport, repairStore } from '../../store/repair-store.ts'
import { parseArguments } from '../arguments.ts'
import { formatBytes, ProgressBar } from '../progress-bar.ts'
import { directoryArgument } from './verify.ts'

export const help = `Usage: stratalog repair <dir> [options]

Checks a data directory that nobody has open, as "stratalog verify" does, and prints what it would
do to make it whole. Changes nothing unless told to.

  --apply   do it, then check once more
  --json    one JSON object: findings, actions, lost, remaining

What a repair does:
  - Batches that are whole stay, under their offsets. Damaged bytes are first copied to
    <file>.<position>.damaged beside the file. Where they were, offsets are missing from then on; at
    the end of a log, it goes on behind them. The offsets lost are printed.
  - Batch headers outside the checksum (offset, length, epoch, version) are corrected where the
    batches around them tell what they were.
  - Indexes, leader epochs, checkpoints and topic ids are written anew; bad snapshots are removed.
  - In the store's own table, records that are lost are stood in for by a new leader epoch and by
    producer ids above all known ones. Settings of topics lost with them are the defaults again.

After a stop that was not clean, repair first writes back what the journal holds, then deals with what
was durable before. What was not is left to the next open, which cuts torn tails as always. So when a
server does not start because of damage: repair it, look at what is said, then repair with --apply,
then start the server. It may be stopped at any moment and started again. Needs free space for one
segment. Keep a copy of the directory when you can.

Exit codes: 0 nothing is damaged, or all of it was repaired, 1 damage is there (without --apply: to be
repaired), or the directory is in use or cannot be read, 2 usage.`

export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArguments(args, {
    apply: { type: 'boolean' },
    json: { type: 'boolean' },
  })
  const directory = directoryArgument('repair', positionals)
  const bar = new ProgressBar('checking')
  let report: RepairReport
  try {
    report = await repairStore(directory, {
      apply: values.apply === true,
      onProgress: ({ checkedBytes, totalBytes, log }) =>
        bar.update(checkedBytes, totalBytes, `${formatBytes(checkedBytes)} ${log}`),
    })
  } finally {
    bar.end()
  }
  const text = values.json === true ? `${JSON.stringify(report)}\n` : reportText(report, directory)
  process.stdout.write(text)
  const { isApplied, actions, remaining } = report
  return remaining.length === 0 && (isApplied || actions.length === 0) ? 0 : 1
}

function reportText(report: RepairReport, directory: string): string {
  const { isApplied, findings, actions, lost, remaining } = report
  const lines = findings.map(findingText)
  for (const { path, message, sideFiles } of actions) {
    lines.push(`${isApplied ? 'did' : 'would'}  ${message}: ${path}`)
    for (const side of sideFiles)
      lines.push(`       ${isApplied ? 'kept' : 'keeping'} it in ${side}`)
  }
  for (const { log, from, to } of lost) lines.push(`lost  ${log}: ${offsetsText({ from, to })}`)
  for (const finding of remaining) lines.push(`remains  ${findingText(finding)}`)
  lines.push(verdict(report, directory))
  return `${lines.join('\n')}\n`
}

function verdict({ isApplied, actions, remaining }: RepairReport, directory: string): string {
  if (remaining.length > 0) {
    return `${remaining.length} damages remain: open the store once (stratalog serve --data ${directory}), then repair again`
  }
  if (actions.length === 0) return 'nothing to repair'
  if (isApplied) return `repaired: ${actions.length} actions`
  return `nothing was changed; to do it: stratalog repair ${directory} --apply`
}
