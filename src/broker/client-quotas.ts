/**
 * Quotas of clients: for whom, and how much of what (KIP-546). They are kept and shown, and not
 * enforced: nobody is held back yet, which the log says.
 *
 * An entity is one or two components: a user, a client id, both, or an address. A component without
 * a name stands for all that have no quota of their own.
 */
import { assert } from '../base/assert.ts'
import type { Logger } from '../base/logger.ts'
import type { LazyTable } from './lazy-table.ts'

export const entityTypes = { user: 'user', clientId: 'client-id', ip: 'ip' } as const

/** Name by type; null = whoever has none of its own. */
export type QuotaEntity = ReadonlyMap<string, string | null>

export type QuotaChange = {
  readonly key: string
  readonly value: number
  readonly remove: boolean
}

/** One quota as it is kept. */
export type QuotaRecord = {
  readonly entity: Readonly<Record<string, string | null>>
  readonly values: Readonly<Record<string, number>>
}

/** What an entity must have in one of its components to be found. */
export type QuotaFilter = {
  readonly entityType: string
  /** A name, null for the one without, `any` for each that has the component. */
  readonly match: string | null | typeof anyName
}

export const anyName: unique symbol = Symbol('any')

/** The request cannot be carried out; the message says why. */
export class QuotaError extends Error {
  override readonly name = 'QuotaError'
}

type KeyRule = { readonly isWhole: boolean; readonly max: number }

const rate: KeyRule = { isWhole: true, max: Number.MAX_SAFE_INTEGER }
const fraction: KeyRule = { isWhole: false, max: Number.MAX_VALUE }

const clientKeys: ReadonlyMap<string, KeyRule> = new Map([
  ['producer_byte_rate', rate],
  ['consumer_byte_rate', rate],
  ['request_percentage', fraction],
  ['controller_mutation_rate', fraction],
])
const addressKeys: ReadonlyMap<string, KeyRule> = new Map([
  ['connection_creation_rate', { isWhole: true, max: 0x7fff_ffff }],
])

const prefix = 'quota:'
const names: ReadonlySet<string> = new Set(Object.values(entityTypes))

export class ClientQuotas {
  readonly #logger: Logger
  #loaded: LazyTable<unknown> | undefined
  #lastChange: Promise<void> = Promise.resolve()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  load(table: LazyTable<unknown>): void {
    this.#loaded = table
    if (this.#all().length > 0) this.#warn()
  }

  /**
   * Sets and takes away quotas of one entity, durably; all of them or none.
   *
   * @throws (rejects) QuotaError; LogError when they could not be written.
   */
  async alter(
    entity: QuotaEntity,
    changes: readonly QuotaChange[],
    { validateOnly }: { readonly validateOnly: boolean },
  ): Promise<void> {
    const keys = keysOf(entity)
    for (const change of changes) checkChange(keys, change)
    if (validateOnly) return
    const changed = this.#lastChange.then(() => this.#change(entity, changes))
    this.#lastChange = changed.catch(() => {}) // Whoever asked for it is told.
    await changed
  }

  /**
   * Quotas of the entities that have every component asked for.
   *
   * @param isStrict they have no other component.
   * @throws QuotaError the components exclude each other, or one stands twice.
   */
  find(filters: readonly QuotaFilter[], isStrict: boolean): QuotaRecord[] {
    checkFilters(filters)
    return this.#all().filter(({ entity }) => {
      if (isStrict && Object.keys(entity).length !== filters.length) return false
      return filters.every(({ entityType, match }) => {
        const name = entity[entityType]
        return name !== undefined && (match === anyName || match === name)
      })
    })
  }

  async #change(entity: QuotaEntity, changes: readonly QuotaChange[]): Promise<void> {
    const key = prefix + keyOf(entity)
    const known = this.#table.get(key) as QuotaRecord | undefined
    const values = { ...known?.values }
    for (const { key: name, value, remove } of changes) {
      if (remove) delete values[name]
      else values[name] = value
    }
    const isEmpty = Object.keys(values).length === 0
    if (isEmpty && known === undefined) return
    const record: QuotaRecord = { entity: Object.fromEntries(entity), values }
    const change = isEmpty ? { key, delete: true as const } : { key, value: record }
    await this.#table.batch([change], { level: 'disk' })
    if (!isEmpty) this.#warn()
  }

  get #table(): LazyTable<unknown> {
    assert(this.#loaded !== undefined, 'quotas are loaded before the first request')
    return this.#loaded
  }

  #all(): QuotaRecord[] {
    return Array.from(this.#table.range({ prefix }), ([, record]) => record as QuotaRecord)
  }

  #warn(): void {
    this.#logger.warn({}, 'quotas of clients are kept and shown, but not enforced yet')
  }
}

/** The same text for the same entity. */
function keyOf(entity: QuotaEntity): string {
  return JSON.stringify([...entity].sort(([one], [other]) => (one < other ? -1 : 1)))
}

/** What may be bounded for an entity. @throws QuotaError it is none. */
function keysOf(entity: QuotaEntity): ReadonlyMap<string, KeyRule> {
  if (entity.size === 0) throw new QuotaError('an entity has at least one component')
  for (const [type, name] of entity) {
    if (!names.has(type)) throw new QuotaError(`there is no entity type ${JSON.stringify(type)}`)
    if (name === '') throw new QuotaError(`the name of the ${type} is empty`)
  }
  const address = entity.get(entityTypes.ip)
  if (address === undefined) return clientKeys
  if (entity.size > 1) throw new QuotaError('an address excludes users and client ids')
  if (address !== null && !isAddress(address)) throw new QuotaError(`${address} is no address`)
  return addressKeys
}

/** An address as text, of either version; names are not looked up. */
function isAddress(text: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(text) || /^[0-9a-fA-F:]*:[0-9a-fA-F:.]*$/.test(text)
}

function checkChange(keys: ReadonlyMap<string, KeyRule>, change: QuotaChange): void {
  const { key, value, remove } = change
  const rule = keys.get(key)
  if (rule === undefined) throw new QuotaError(`${key} cannot be bounded for this entity`)
  if (remove) return
  const { isWhole, max } = rule
  if (!(value > 0) || value > max) throw new QuotaError(`${key} is ${value}: above 0, up to ${max}`)
  if (isWhole && !Number.isInteger(value))
    throw new QuotaError(`${key} is ${value}: a whole number`)
}

function checkFilters(filters: readonly QuotaFilter[]): void {
  const types = filters.map(({ entityType }) => entityType)
  const unknown = types.find((type) => !names.has(type))
  if (unknown !== undefined) {
    throw new QuotaError(`there is no entity type ${JSON.stringify(unknown)}`)
  }
  if (new Set(types).size < types.length) throw new QuotaError('an entity type stands twice')
  if (types.includes(entityTypes.ip) && types.length > 1) {
    throw new QuotaError('an address excludes users and client ids')
  }
}
