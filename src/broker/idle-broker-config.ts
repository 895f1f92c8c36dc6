/**
 * Settings of Kafka's brokers that set nothing here, because what they are about is not there: pools
 * of threads, the log cleaner, throttles of replication, logins with Kerberos. They are checked, kept
 * and shown, so that programs and tools which set them work, and the log says that they do no more.
 *
 * Only settings nobody relies on stand here. One that promises something, such as a limit of
 * connections or a keystore, is refused for as long as the promise is not kept.
 */
import { assert } from '../base/assert.ts'
import type { Logger } from '../base/logger.ts'
import { mebibyte } from '../base/units.ts'
import { type ConfigRule, configFault } from '../store/config-definition.ts'
import type { Defaults, DefaultsScope } from '../store/topic-defaults.ts'
import type { LazyTable, TableChange } from './lazy-table.ts'

export type IdleDefinition = ConfigRule & {
  readonly name: string
  readonly documentation: string
  /** It belongs to one broker and cannot be given to all, as in Kafka. */
  readonly isPerBroker: boolean
}

const count: ConfigRule = { type: 'int', min: 1, max: 0x7fff_ffff }
const size: ConfigRule = { type: 'long', min: 0 }
const share: ConfigRule = { type: 'double' }

/**
 * A Kafka 4.2.1 was asked what it takes. It also refuses to double or halve a pool of threads at once,
 * which is not checked.
 */
const definitions: readonly IdleDefinition[] = [
  ...about('there are no pools of threads to size', {
    'background.threads': count,
    'num.io.threads': count,
    'num.network.threads': count,
    'num.recovery.threads.per.data.dir': count,
    'num.replica.fetchers': count,
  }),
  ...about('there is no log cleaner', {
    'log.cleaner.backoff.ms': size,
    'log.cleaner.dedupe.buffer.size': { ...size, min: mebibyte },
    'log.cleaner.io.buffer.load.factor': share,
    'log.cleaner.io.buffer.size': { ...count, min: 0 },
    'log.cleaner.io.max.bytes.per.second': share,
    'log.cleaner.threads': count,
  }),
  ...about('there is no other machine to copy to or from', {
    'follower.replication.throttled.rate': size,
    'leader.replication.throttled.rate': size,
    'replica.alter.log.dirs.io.max.bytes.per.second': size,
  }),
  ...about('no listener asks for a login', {
    'sasl.kerberos.kinit.cmd': { type: 'string' },
    'sasl.kerberos.min.time.before.relogin': { type: 'long' },
    'sasl.kerberos.service.name': { type: 'string' },
    'sasl.kerberos.ticket.renew.jitter': share,
    'sasl.kerberos.ticket.renew.window.factor': share,
  }).map((definition) => ({ ...definition, isPerBroker: true })),
]

const byName = new Map(definitions.map((definition) => [definition.name, definition]))

export function idleDefinition(name: string): IdleDefinition | undefined {
  return byName.get(name)
}

/** What is wrong with giving it that value there; undefined when nothing is. */
export function idleFault(
  definition: IdleDefinition,
  value: string,
  scope: DefaultsScope,
): string | undefined {
  const { name, isPerBroker } = definition
  if (isPerBroker && scope === 'cluster') return `${name} is set for one broker, not for all`
  const expected = configFault(definition, value)
  return expected === undefined ? undefined : `${name} is ${JSON.stringify(value)}: ${expected}`
}

export class IdleBrokerConfig {
  readonly #logger: Logger
  #loaded: LazyTable<unknown> | undefined

  constructor(logger: Logger) {
    this.#logger = logger
  }

  load(table: LazyTable<unknown>): void {
    this.#loaded = table
    this.#warn({ ...this.given('cluster'), ...this.given('node') })
  }

  /** What was given for this broker, or for all, by name. Names of another version are left out. */
  given(scope: DefaultsScope): Defaults {
    const prefix = prefixOf(scope)
    const entries = Array.from(this.#table.range({ prefix }), ([key, value]) => {
      return [key.slice(prefix.length), value as string] as const
    })
    return Object.fromEntries(entries.filter(([name]) => byName.has(name)))
  }

  /**
   * Sets what stands in `values` and takes away where that is undefined, durably, all or none. Values
   * have been checked, see idleFault.
   *
   * @throws (rejects) LogError when they could not be written.
   */
  async alter(
    scope: DefaultsScope,
    values: ReadonlyMap<string, string | undefined>,
  ): Promise<void> {
    const given = this.given(scope)
    const changes: TableChange<unknown>[] = []
    for (const [name, value] of values) {
      const key = prefixOf(scope) + name
      if (value !== undefined) changes.push({ key, value })
      else if (given[name] !== undefined) changes.push({ key, delete: true })
    }
    if (changes.length === 0) return
    await this.#table.batch(changes, { level: 'disk' })
    const set = [...values].filter((entry): entry is [string, string] => entry[1] !== undefined)
    this.#warn(Object.fromEntries(set))
  }

  get #table(): LazyTable<unknown> {
    assert(this.#loaded !== undefined, 'settings are loaded before the first request')
    return this.#loaded
  }

  #warn(config: Defaults): void {
    if (Object.keys(config).length === 0) return
    this.#logger.warn({ config }, 'these settings are kept and shown, but have nothing to set here')
  }
}

function prefixOf(scope: DefaultsScope): string {
  return `broker-config:${scope}:`
}

function about(reason: string, rules: Readonly<Record<string, ConfigRule>>): IdleDefinition[] {
  return Object.entries(rules).map(([name, rule]) => {
    return { ...rule, name, documentation: `Has no effect: ${reason}.`, isPerBroker: false }
  })
}
