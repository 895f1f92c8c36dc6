/** What a setting may be: its type and bounds, as text is all that clients and tables know of values. */

export type ConfigType = 'boolean' | 'string' | 'int' | 'long' | 'double' | 'list'

/** What a value must be. Bounds are inclusive. */
export type ConfigRule = {
  readonly type: ConfigType
  readonly min?: number
  readonly max?: number
  readonly choices?: readonly string[]
  /** What each item of a list must match, where there are no choices. */
  readonly itemPattern?: RegExp
}

export type ConfigDefinition = ConfigRule & {
  readonly name: string
  readonly default: string
  /** Broker settings that give the default, most specific first. */
  readonly brokerNames: readonly string[]
  readonly documentation: string
}

/** What a value should have been; undefined when it is right. */
export function configFault(rule: ConfigRule, value: unknown): string | undefined {
  const { type, choices, itemPattern, min = -Infinity, max = Infinity } = rule
  if (typeof value !== 'string') return 'a string'
  if (itemPattern !== undefined) {
    const isKnown = value.split(',').every((item) => itemPattern.test(item.trim()))
    return isKnown ? undefined : 'a comma-separated list of names of a–z A–Z 0–9 . _ -'
  }
  if (type === 'list') {
    const isKnown = listItems(value).every((item) => choices?.includes(item) ?? true)
    return isKnown ? undefined : `a comma-separated list of ${choices?.join(', ')}`
  }
  if (choices !== undefined) {
    return choices.includes(value) ? undefined : `one of ${choices.join(', ')}`
  }
  if (type === 'string') return undefined
  const number = Number(value)
  const pattern = type === 'double' ? /^-?\d+(\.\d+)?(E\d+)?$/i : /^-?\d{1,19}$/
  const isInRange = Number.isFinite(number) && number >= min && number <= max
  if (isInRange && pattern.test(value)) return undefined
  const expected = type === 'double' ? 'a number' : 'a whole number'
  if (Number.isFinite(max)) return `${expected} from ${min} to ${max}`
  return Number.isFinite(min) ? `${expected} of at least ${min}` : expected
}

/** The items of a list setting. */
export function listItems(value: string): string[] {
  return value.split(',').map((item) => item.trim())
}
