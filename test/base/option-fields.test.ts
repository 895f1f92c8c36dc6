import { describe, expect, it } from 'vitest'
import { InvalidOptionError } from '../../src/base/errors.ts'
import {
  booleanOption,
  implementationOption,
  integerOption,
  knownOptions,
  numberOption,
  oneOfOption,
  stringOption,
} from '../../src/base/option-fields.ts'

describe('option fields', () => {
  it('take the default when the option is not given', () => {
    expect(integerOption('n', undefined, { default: 5, min: 0 })).toBe(5)
    expect(numberOption('x', undefined, { default: 0.5, min: 0, max: 1 })).toBe(0.5)
    expect(booleanOption('b', undefined, { default: true })).toBe(true)
    expect(stringOption('s', undefined, { default: undefined })).toBeUndefined()
    expect(oneOfOption('o', undefined, { default: 'os', choices: ['os', 'disk'] })).toBe('os')
  })

  it.each([1.5, -1, 11, Number.NaN, Number.POSITIVE_INFINITY, '3', null])(
    'refuse %s as an integer from 0 to 10, naming option, value and range',
    (value) => {
      const check = () => integerOption('port', value as number, { default: 0, min: 0, max: 10 })
      expect(check).toThrow(InvalidOptionError)
      expect(check).toThrow(/port is .*: expected an integer from 0 to 10/)
    },
  )

  it('accept both ends of a range', () => {
    expect(integerOption('n', 0, { default: 5, min: 0, max: 10 })).toBe(0)
    expect(integerOption('n', 10, { default: 5, min: 0, max: 10 })).toBe(10)
    expect(numberOption('x', 1, { default: 0.5, min: 0, max: 1 })).toBe(1)
  })

  it('refuse a number that is not one', () => {
    expect(() => numberOption('x', Number.NaN, { default: 0, min: 0, max: 1 })).toThrow(
      /from 0 to 1/,
    )
  })

  it('refuse truthy values as booleans', () => {
    expect(() => booleanOption('b', 1 as never, { default: true })).toThrow(/true or false/)
  })

  it('refuse an empty string and one that does not match its pattern', () => {
    expect(() => stringOption('host', '', { default: 'h' })).toThrow(/at least 1 char/)
    const rule = { default: 'h', pattern: /^[a-z]+$/, expected: 'lower-case letters' }
    expect(() => stringOption('host', 'A1', rule)).toThrow(/host is "A1": expected lower-case/)
    expect(stringOption('host', 'abc', rule)).toBe('abc')
  })

  it('list the choices of a refused value', () => {
    const check = () =>
      oneOfOption('level', 'ssd' as 'os', { default: 'os', choices: ['os', 'disk'] })
    expect(check).toThrow('level is "ssd": expected one of "os", "disk"')
  })

  it('refuse an implementation that lacks a method', () => {
    const fallback = { now: () => 0 }
    const rule = { default: fallback, methods: ['now'] as const }
    expect(implementationOption('clock', undefined, rule)).toBe(fallback)
    expect(() => implementationOption('clock', {} as typeof fallback, rule)).toThrow(/methods now/)
  })

  it('refuse unknown option names and things that are no options', () => {
    expect(() => knownOptions('serve', { prot: 1 }, ['port', 'host'])).toThrow(
      /serve.prot is 1: expected no such option: the options are port, host/,
    )
    expect(() => knownOptions('serve', [], [])).toThrow(/object of options/)
    knownOptions('serve', { port: 1 }, ['port'])
  })
})
