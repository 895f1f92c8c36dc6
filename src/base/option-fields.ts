/**
 * One check per kind of option, for the public doors. Each takes the option's name, the value as
 * the caller passed it (`undefined` = not given) and what is allowed; it returns the value to use
 * or throws InvalidOptionError naming option, value and accepted range. Types are checked at run
 * time too: plain JavaScript callers and parsed files come through the same doors.
 */
import { isAbsolute, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { InvalidOptionError } from './errors.ts'

/** A whole number in `[min, max]`, both inclusive; `max` defaults to 2^53 − 1. */
export function integerOption(
  option: string,
  value: number | undefined,
  rule: { default: number; min: number; max?: number },
): number {
  const given = value === undefined ? rule.default : value
  const max = rule.max ?? Number.MAX_SAFE_INTEGER
  if (!Number.isSafeInteger(given) || given < rule.min || given > max) {
    const expected =
      rule.max === undefined
        ? `an integer of at least ${rule.min}`
        : `an integer from ${rule.min} to ${max}`
    throw new InvalidOptionError({ option, value, expected })
  }
  return given
}

/** A finite number in `[min, max]`, both inclusive. */
export function numberOption(
  option: string,
  value: number | undefined,
  rule: { default: number; min: number; max: number },
): number {
  const given = value === undefined ? rule.default : value
  if (typeof given !== 'number' || !(given >= rule.min && given <= rule.max)) {
    const expected = `a number from ${rule.min} to ${rule.max}`
    throw new InvalidOptionError({ option, value, expected })
  }
  return given
}

export function booleanOption(
  option: string,
  value: boolean | undefined,
  rule: { default: boolean },
): boolean {
  if (value === undefined) return rule.default
  if (typeof value !== 'boolean') {
    throw new InvalidOptionError({ option, value, expected: 'true or false' })
  }
  return value
}

/**
 * A string of at least `minLength` (default 1) UTF-16 units, matching `pattern` when there is one;
 * `expected` words the pattern for the error.
 */
export function stringOption<Default extends string | undefined>(
  option: string,
  value: string | undefined,
  rule: { default: Default; minLength?: number; pattern?: RegExp; expected?: string },
): string | Default {
  if (value === undefined) return rule.default
  const minLength = rule.minLength ?? 1
  const fits =
    typeof value === 'string' &&
    value.length >= minLength &&
    (rule.pattern === undefined || rule.pattern.test(value))
  if (!fits) {
    const expected =
      rule.expected ?? (minLength > 0 ? `a string of at least ${minLength} characters` : 'a string')
    throw new InvalidOptionError({ option, value, expected })
  }
  return value
}

/** One of a fixed set of values. */
export function oneOfOption<const Choice extends string | number>(
  option: string,
  value: Choice | undefined,
  rule: { default: Choice; choices: readonly Choice[] },
): Choice {
  if (value === undefined) return rule.default
  if (!rule.choices.includes(value)) {
    const choices = rule.choices.map((choice) => JSON.stringify(choice)).join(', ')
    throw new InvalidOptionError({ option, value, expected: `one of ${choices}` })
  }
  return value
}

/**
 * The absolute path that a path or a `file:` URL means now: later the process may work in another
 * directory.
 */
export function pathOption(option: string, value: string | URL): string {
  const path = typeof value === 'string' && !value.startsWith('file:') ? value : pathOfUrl(value)
  if (path === undefined || path === '' || path.includes('\0')) {
    const expected = 'a path, or a URL object with file:'
    throw new InvalidOptionError({ option, value, expected })
  }
  return isAbsolute(path) ? path : resolve(path)
}

/** Undefined for the text of a URL, which is no path, and for what names none on this machine. */
function pathOfUrl(value: string | URL): string | undefined {
  try {
    return typeof value === 'string' ? undefined : fileURLToPath(value)
  } catch {
    return undefined
  }
}

/** Something to end a wait with, whoever made the class: as in Node itself, what it can do counts. */
export function signalOption(value: AbortSignal | undefined): AbortSignal | undefined {
  if (value === undefined) return value
  const isSignal =
    typeof value === 'object' &&
    typeof value?.aborted === 'boolean' &&
    typeof value.addEventListener === 'function'
  if (isSignal) return value
  throw new InvalidOptionError({ option: 'signal', value, expected: 'an AbortSignal' })
}

/** A function, which is called later. */
export function functionOption<F>(option: string, value: F): F {
  if (typeof value === 'function') return value
  throw new InvalidOptionError({ option, value, expected: 'a function' })
}

/** An object with the named methods, such as a logger or a clock. */
export function implementationOption<Contract extends object>(
  option: string,
  value: Contract | undefined,
  rule: { default: Contract; methods: readonly (keyof Contract & string)[] },
): Contract {
  if (value === undefined) return rule.default
  const fits =
    typeof value === 'object' &&
    value !== null &&
    rule.methods.every((method) => typeof value[method] === 'function')
  if (!fits) {
    const expected = `an object with the methods ${rule.methods.join(', ')}`
    throw new InvalidOptionError({ option, value, expected })
  }
  return value
}

/**
 * Refuses what is not a plain bag of options, and names that no option has: a misspelt name must
 * not pass as a default.
 */
export function knownOptions(
  door: string,
  options: unknown,
  names: readonly string[],
): asserts options is object {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new InvalidOptionError({ option: door, value: options, expected: 'an object of options' })
  }
  for (const name of Object.keys(options)) {
    if (names.includes(name)) continue
    throw new InvalidOptionError({
      option: `${door}.${name}`,
      value: (options as Record<string, unknown>)[name],
      expected: `no such option: the options are ${names.join(', ')}`,
    })
  }
}
