/** Command lines through node:util's parser, with errors that say what was expected. */
import { type ParseArgsConfig, parseArgs } from 'node:util'

/** The command was called wrongly; exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

type Options = NonNullable<ParseArgsConfig['options']>
type Parsed<Known extends Options> = ReturnType<
  typeof parseArgs<{ options: Known; allowPositionals: true; strict: true; allowNegative: true }>
>

export function parseArguments<const Known extends Options>(
  args: readonly string[],
  options: Known,
): Parsed<Known> {
  try {
    const config = { args: [...args], options, allowPositionals: true, strict: true } as const
    return parseArgs({ ...config, allowNegative: true }) as Parsed<Known>
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

/** A whole number in `[min, max]` given as text. */
export function integerArgument(
  option: string,
  text: string | undefined,
  rule: { default: number; min: number; max: number },
): number {
  if (text === undefined) return rule.default
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= rule.min && value <= rule.max) return value
  throw new UsageError(
    `--${option} is ${JSON.stringify(text)}: expected a whole number from ${rule.min} to ${rule.max}`,
  )
}

export function choiceArgument<const Choice extends string>(
  option: string,
  text: string | undefined,
  rule: { default: Choice; choices: readonly Choice[] },
): Choice {
  if (text === undefined) return rule.default
  const choice = rule.choices.find((known) => known === text)
  if (choice !== undefined) return choice
  throw new UsageError(
    `--${option} is ${JSON.stringify(text)}: expected one of ${rule.choices.join(', ')}`,
  )
}

/** `hint`: what may have been meant. */
export function noPositionals(positionals: readonly string[], hint?: string): void {
  if (positionals.length === 0) return
  const unexpected = `unexpected argument ${JSON.stringify(positionals[0])}`
  throw new UsageError(hint === undefined ? unexpected : `${unexpected}: ${hint}`)
}
