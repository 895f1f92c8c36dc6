/** Arguments of `npm run bench:durable`. */

export const partNames = ['appenders', 'os-level', 'recovery'] as const
export type PartName = (typeof partNames)[number]

export type DurableOptions = {
  parts: readonly PartName[]
  /** Git revision whose `os` figures are the previous ones. */
  baseline: string
  recoveryGb: number
  rounds: number
}

export const usage =
  '[--only appenders|os-level|recovery] [--baseline <git-rev>] [--recovery-gb <n>] [--rounds <n>]'

/** The commit before the journal. */
const defaultBaseline = '61fd378'

/** Throws, with the usage, on anything it does not know. */
export function parseDurableOptions(args: readonly string[]): DurableOptions {
  const options: DurableOptions = {
    parts: partNames,
    baseline: defaultBaseline,
    recoveryGb: 5,
    rounds: 9,
  }
  for (let at = 0; at < args.length; at += 2) {
    const [name, value] = [args[at]!, args[at + 1]]
    if (value === undefined) throw new Error(`${name} has no value: expected ${usage}`)
    if (name === '--only') options.parts = [partName(value)]
    else if (name === '--baseline') options.baseline = value
    else if (name === '--recovery-gb') options.recoveryGb = positive(name, value)
    else if (name === '--rounds') options.rounds = Math.ceil(positive(name, value))
    else throw new Error(`unknown argument ${name}: expected ${usage}`)
  }
  return options
}

function partName(value: string): PartName {
  const found = partNames.find((name) => name === value)
  if (found === undefined) throw new Error(`--only ${value}: expected ${partNames.join(', ')}`)
  return found
}

function positive(name: string, value: string): number {
  const number = Number(value)
  if (!(number > 0 && number < 1e6)) throw new Error(`${name} ${value}: expected a number above 0`)
  return number
}
