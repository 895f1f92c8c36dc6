/**
 * Credentials of users for SCRAM (RFC 5802, KIP-554), without their passwords: what a server needs
 * to recognize who knows one. They are kept and shown; no listener asks for them yet.
 */
import { createHash, createHmac } from 'node:crypto'
import { assert } from '../base/assert.ts'
import { type ErrorCode, errorCodes } from '../protocol/error-codes.ts'
import type { LazyTable, TableChange } from './lazy-table.ts'

/** As the protocol numbers them. */
export const scramMechanisms = { sha256: 1, sha512: 2 } as const

export type ScramDeletion = { readonly name: string; readonly mechanism: number }

export type ScramUpsertion = ScramDeletion & {
  readonly iterations: number
  readonly salt: Buffer
  /** PBKDF2 of the password, as the client has worked it out. */
  readonly saltedPassword: Buffer
}

/** What is told of one credential. */
export type ScramInfo = { readonly mechanism: number; readonly iterations: number }

export type ScramFault = { readonly errorCode: ErrorCode; readonly reason: string }

/** One credential as it is kept; bytes are base64. */
type ScramRecord = {
  readonly iterations: number
  readonly salt: string
  readonly storedKey: string
  readonly serverKey: string
}

const hashes: ReadonlyMap<number, 'sha256' | 'sha512'> = new Map([
  [scramMechanisms.sha256, 'sha256'],
  [scramMechanisms.sha512, 'sha512'],
])
const minIterations = 4_096
const maxIterations = 16_384
const prefix = 'scram:'

export class ScramCredentials {
  #loaded: LazyTable<unknown> | undefined

  load(table: LazyTable<unknown>): void {
    this.#loaded = table
  }

  /**
   * Takes credentials away and sets others, durably. A user with one fault gets no change at all.
   *
   * @returns every user named, in order of appearance, with what kept the changes from being made.
   * @throws (rejects) LogError: none of them is to be relied on.
   */
  async alter(
    deletions: readonly ScramDeletion[],
    upsertions: readonly ScramUpsertion[],
  ): Promise<Map<string, ScramFault | undefined>> {
    const faults = new Map<string, ScramFault | undefined>()
    const seen = new Set<string>()
    const note = (asked: ScramDeletion, faultOf: () => ScramFault | undefined) => {
      const key = keyOf(asked.name, asked.mechanism)
      const fault = seen.has(key) ? repeated : (identityFault(asked) ?? faultOf())
      seen.add(key)
      faults.set(asked.name, faults.get(asked.name) ?? fault)
    }
    for (const asked of deletions) {
      note(asked, () => (this.#has(asked.name, asked.mechanism) ? undefined : unknownCredential))
    }
    for (const asked of upsertions) note(asked, () => iterationsFault(asked))
    const isFine = ({ name }: ScramDeletion) => faults.get(name) === undefined
    const changes: TableChange<unknown>[] = [
      ...deletions.filter(isFine).map(({ name, mechanism }) => {
        return { key: keyOf(name, mechanism), delete: true as const }
      }),
      ...upsertions.filter(isFine).map((asked) => {
        return { key: keyOf(asked.name, asked.mechanism), value: recordOf(asked) }
      }),
    ]
    if (changes.length > 0) await this.#table.batch(changes, { level: 'disk' })
    return faults
  }

  /** What is kept of each user that has something, by name. */
  all(): Map<string, ScramInfo[]> {
    const users = new Map<string, ScramInfo[]>()
    for (const [key, record] of this.#table.range({ prefix })) {
      const [mechanism, ...name] = key.slice(prefix.length).split(':')
      const user = name.join(':')
      const { iterations } = record as ScramRecord
      const infos = users.get(user) ?? []
      infos.push({ mechanism: Number(mechanism), iterations })
      users.set(user, infos)
    }
    return new Map([...users].sort(([one], [other]) => (one < other ? -1 : 1)))
  }

  /** The same of one user. */
  of(user: string): ScramInfo[] {
    return [...hashes.keys()].flatMap((mechanism) => {
      const record = this.#table.get(keyOf(user, mechanism)) as ScramRecord | undefined
      return record === undefined ? [] : [{ mechanism, iterations: record.iterations }]
    })
  }

  get #table(): LazyTable<unknown> {
    assert(this.#loaded !== undefined, 'credentials are loaded before the first request')
    return this.#loaded
  }

  #has(user: string, mechanism: number): boolean {
    return this.#table.get(keyOf(user, mechanism)) !== undefined
  }
}

const repeated: ScramFault = {
  errorCode: errorCodes.duplicateResource,
  reason: 'a credential is changed twice in one request',
}
const unknownCredential: ScramFault = {
  errorCode: errorCodes.resourceNotFound,
  reason: 'there is no such credential',
}

function keyOf(user: string, mechanism: number): string {
  return `${prefix}${mechanism}:${user}`
}

function identityFault({ name, mechanism }: ScramDeletion): ScramFault | undefined {
  if (name === '') {
    return { errorCode: errorCodes.unacceptableCredential, reason: 'the name of the user is empty' }
  }
  if (hashes.has(mechanism)) return undefined
  const reason = `there is no SCRAM mechanism ${mechanism}`
  return { errorCode: errorCodes.unsupportedSaslMechanism, reason }
}

function iterationsFault({ iterations }: ScramUpsertion): ScramFault | undefined {
  if (iterations >= minIterations && iterations <= maxIterations) return undefined
  const reason = `${iterations} iterations: from ${minIterations} to ${maxIterations}`
  return { errorCode: errorCodes.unacceptableCredential, reason }
}

function recordOf({ mechanism, iterations, salt, saltedPassword }: ScramUpsertion): ScramRecord {
  const hash = hashes.get(mechanism)
  assert(hash !== undefined, 'the mechanism was checked')
  const keyed = (text: string) => createHmac(hash, saltedPassword).update(text).digest()
  const storedKey = createHash(hash).update(keyed('Client Key')).digest('base64')
  const serverKey = keyed('Server Key').toString('base64')
  return { iterations, salt: salt.toString('base64'), storedKey, serverKey }
}
