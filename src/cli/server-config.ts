/**
 * Where the settings of a server come from: command line, environment, configuration file and
 * defaults, the first that has a value. Nothing is ignored in silence: an unknown name, a name that
 * is set twice in one place and a value out of range are told with the place they stand in.
 */
import { InvalidOptionError } from '../base/errors.ts'
import { TopicConfig } from '../store/topic-config.ts'
import { UsageError } from './arguments.ts'
import { formatProperty, parseProperties } from './properties-file.ts'
import {
  environmentName,
  type Setting,
  type SettingKind,
  serverSettings,
  settingAliases,
} from './server-settings.ts'

/** One value as somebody gave it. */
export type Assignment = {
  readonly name: string
  readonly value: string
  /** What to call it in a message: `--port`, `STRATALOG_LISTENERS`, `server.properties line 3: …` */
  readonly origin: string
}

/** All that one place says. */
export type ConfigSource = {
  /** `the command line`, `the environment` or a path. */
  readonly title: string
  readonly assignments: readonly Assignment[]
}

type Effective = Assignment & { readonly source: string }

const settingsByName = new Map(serverSettings.map((setting) => [setting.name, setting]))
const aliasesByName = new Map(settingAliases.map((alias) => [alias.name, alias]))
const defaultsTitle = 'the defaults'

export class ServerConfig {
  readonly #values = new Map<string, Effective>()
  readonly #titles: readonly string[]

  /** @param sources the most important first. @throws UsageError. */
  constructor(sources: readonly ConfigSource[]) {
    this.#titles = [...sources.map(({ title }) => title), defaultsTitle]
    for (const { title, assignments } of sources) {
      const named = new Map<string, Assignment>()
      for (const assignment of assignments) {
        const canonical = canonicalOf(assignment)
        const { name } = canonical
        const twin = named.get(name)
        if (twin !== undefined) {
          throw new UsageError(`${twin.origin} and ${assignment.origin} set one thing twice`)
        }
        named.set(name, canonical)
        checkValue((settingsByName.get(name) as Setting).kind, canonical)
        if (!this.#values.has(name)) this.#values.set(name, { ...canonical, source: title })
      }
    }
  }

  /** The value in effect; undefined when there is none and no default. */
  text(name: string): string | undefined {
    return this.#values.get(name)?.value ?? known(name).default
  }

  /** The same for a setting that has a default. */
  required(name: string): string {
    const value = this.text(name)
    if (value === undefined) throw new TypeError(`${name} has no default`)
    return value
  }

  integer(name: string): number | undefined {
    const value = this.text(name)
    return value === undefined ? undefined : Number(value)
  }

  boolean(name: string): boolean {
    return this.text(name) === 'true'
  }

  /** Whether somebody gave a value. */
  isGiven(name: string): boolean {
    return this.#values.has(name)
  }

  /** For messages: where the value stands. */
  originOf(name: string): string {
    return this.#values.get(name)?.origin ?? name
  }

  /** Sets what follows from other settings where nobody gave a value. */
  derive(name: string, value: string): void {
    if (this.isGiven(name)) return
    this.#values.set(name, { name, value, origin: name, source: defaultsTitle })
  }

  /** Sets what was worked out of several places. */
  settle(name: string, value: string, source: string): void {
    this.#values.set(name, { name, value, origin: name, source })
  }

  /** Topic settings given here, for topics that do not set them. */
  topicDefaults(): Record<string, string> {
    const config: Record<string, string> = {}
    for (const { name, kind } of serverSettings) {
      const value = this.#values.get(name)?.value
      if (kind.is === 'topic' && value !== undefined) config[kind.topicName] = value
    }
    return config
  }

  /** What is in effect, by where it comes from; a configuration file that says the same. */
  format(): string {
    const bySource = new Map<string, string[]>(this.#titles.map((title) => [title, []]))
    const isEphemeral = this.boolean('stratalog.ephemeral')
    const unset: string[] = []
    for (const { name, default: preset } of serverSettings) {
      // A temporary directory is nothing to set.
      const value = isEphemeral && name === 'log.dirs' ? undefined : this.text(name)
      if (value === undefined) unset.push(`#${name}=`)
      else {
        const isPreset = !this.isGiven(name) && preset !== undefined
        const source = isPreset ? defaultsTitle : (this.#values.get(name)?.source as string)
        bySource.get(source)?.push(formatProperty(name, value))
      }
    }
    const sections = [...bySource].flatMap(([title, lines]) =>
      lines.length === 0 ? [] : [`# from ${title}`, ...lines.sort()],
    )
    return ['# stratalog settings in effect', ...sections, '# not set', ...unset.sort()].join('\n')
  }
}

/** The assignments of a configuration file. */
export function fileSource(text: string, path: string): ConfigSource {
  const assignments = parseProperties(text, path).map(({ key, value, line }) => ({
    name: key,
    value,
    origin: `${path} line ${line}: ${key}`,
  }))
  return { title: path, assignments }
}

/** Variables of others that begin alike: of tests, and those Kubernetes sets for a service. */
const foreign = /^STRATALOG_(BINDING|CHECKS|TEST_REPORT|CONFIG|PORT(_.*)?|SERVICE_.*)$/

/** @returns the assignments of the environment, and variables that look like some and are none. */
export function environmentSource(
  environment: Readonly<Record<string, string | undefined>>,
): ConfigSource & { readonly unknown: readonly string[] } {
  const names = [...settingsByName.keys(), ...aliasesByName.keys()]
  const byVariable = new Map(names.map((name) => [environmentName(name), name]))
  const assignments: Assignment[] = []
  const unknown: string[] = []
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith('STRATALOG_') || value === undefined) continue
    const name = byVariable.get(variable)
    if (name !== undefined) assignments.push({ name, value, origin: variable })
    else if (!foreign.test(variable)) unknown.push(variable)
  }
  return { title: 'the environment', assignments, unknown }
}

function known(name: string): Setting {
  const setting = settingsByName.get(name)
  if (setting === undefined) throw new TypeError(`there is no setting ${name}`)
  return setting
}

/** The same under the setting's first name and in its own unit. */
function canonicalOf(assignment: Assignment): Assignment {
  const { name, value, origin } = assignment
  if (settingsByName.has(name)) return assignment
  const alias = aliasesByName.get(name)
  if (alias === undefined) throw new UsageError(`${origin}: ${unknownName(name)}`)
  if (alias.factor === undefined) return { ...assignment, name: alias.of }
  if (!/^-?\d{1,9}$/.test(value)) {
    throw new UsageError(`${origin} is ${JSON.stringify(value)}: expected a whole number`)
  }
  const number = Number(value)
  return { name: alias.of, value: String(number < 0 ? -1 : number * alias.factor), origin }
}

function unknownName(name: string): string {
  const meant = serverSettings.find(({ kind }) => kind.is === 'topic' && kind.topicName === name)
  const hint = meant === undefined ? 'see docs/server-config.md' : `did you mean ${meant.name}?`
  return `there is no setting ${JSON.stringify(name)}; ${hint}`
}

function checkValue(kind: SettingKind, { value, origin }: Assignment): void {
  const expected = expectedOf(kind, value)
  if (expected === undefined) return
  throw new UsageError(`${origin} is ${JSON.stringify(value)}: expected ${expected}`)
}

/** What a value should have been; undefined when it is right. */
function expectedOf(kind: SettingKind, value: string): string | undefined {
  switch (kind.is) {
    case 'text':
      return value === '' ? 'some text' : undefined
    case 'boolean':
      return value === 'true' || value === 'false' ? undefined : 'true or false'
    case 'choice':
      return kind.choices.includes(value) ? undefined : `one of ${kind.choices.join(', ')}`
    case 'integer': {
      const isFine = /^-?\d{1,10}$/.test(value) && inRange(Number(value), kind)
      return isFine ? undefined : `a whole number from ${kind.min} to ${kind.max}`
    }
    case 'topic':
      return topicFault(kind.topicName, value)
  }
}

function inRange(value: number, { min, max }: { min: number; max: number }): boolean {
  return value >= min && value <= max
}

function topicFault(topicName: string, value: string): string | undefined {
  try {
    new TopicConfig({ [topicName]: value })
    return undefined
  } catch (error) {
    if (!(error instanceof InvalidOptionError)) throw error
    return error.message.slice(error.message.indexOf(': expected ') + ': expected '.length)
  }
}
