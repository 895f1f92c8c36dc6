// Covers scram-credentials.ts, api/alter-user-scram-credentials.ts and
// api/describe-user-scram-credentials.ts.
// Goal: a server can recognize with what is kept who knows the password; nothing else is kept of it;
// every fault its error, and a user's changes together.
// Method: whole frames through a broker over a store on the simulated disk; the example of RFC 7677.
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { alterUserScramCredentialsApi } from '../../src/broker/api/alter-user-scram-credentials.ts'
import { describeUserScramCredentialsApi } from '../../src/broker/api/describe-user-scram-credentials.ts'
import { clusterTopic } from '../../src/store/store-layout.ts'
import { BrokerHarness } from '../support/broker-harness.ts'

const [sha256, sha512] = [1, 2]
const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')

let broker: BrokerHarness
beforeEach(async () => {
  broker = await BrokerHarness.start()
})
afterEach(() => broker.stop())

const put = (name: string, mechanism = sha256, iterations = 4096) => ({
  name,
  mechanism,
  iterations,
  salt,
  saltedPassword: pbkdf2Sync('pencil', salt, 4096, 32, 'sha256'),
})

async function alter(
  upsertions: ReturnType<typeof put>[],
  deletions: { name: string; mechanism: number }[] = [],
) {
  const answer = await broker.ask(alterUserScramCredentialsApi, 0, { deletions, upsertions })
  return answer.results.map(({ user, errorCode }) => [user, errorCode])
}

async function shown(...names: string[]) {
  const users = names.map((name) => ({ name }))
  const answer = await broker.ask(describeUserScramCredentialsApi, 0, { users })
  expect(answer.errorCode).toBe(0)
  return answer.results.map(({ user, errorCode, credentialInfos }) => [
    user,
    errorCode,
    credentialInfos.map(({ mechanism, iterations }) => [mechanism, iterations]),
  ])
}

describe('credentials', () => {
  it('are set, replaced, shown by user or all, and taken away', async () => {
    expect(await shown()).toEqual([])
    expect(await alter([put('b:c'), put('a', sha512, 16_384), put('a', sha256)])).toEqual([
      ['b:c', 0],
      ['a', 0],
    ])
    const ofA = [
      [sha256, 4096],
      [sha512, 16_384],
    ]
    expect(await shown()).toEqual([
      ['a', 0, ofA],
      ['b:c', 0, [[sha256, 4096]]],
    ])
    expect(await shown('b:c', 'a', 'nobody')).toEqual([
      ['b:c', 0, [[sha256, 4096]]],
      ['a', 0, ofA],
      ['nobody', 91, []],
    ])
    expect(await alter([put('b:c', sha256, 5000)], [{ name: 'a', mechanism: sha512 }])).toEqual([
      ['a', 0],
      ['b:c', 0],
    ])
    expect(await shown('a', 'b:c')).toEqual([
      ['a', 0, [[sha256, 4096]]],
      ['b:c', 0, [[sha256, 5000]]],
    ])
  })

  it('are kept as the keys that the client’s proof is checked with, and without the password', async () => {
    await alter([put('user')])
    const table = await broker.store.table(clusterTopic, { key: 'string', value: 'json' })
    const record = table.get('scram:1:user') as Record<string, string>
    expect(Object.keys(record).sort()).toEqual(['iterations', 'salt', 'serverKey', 'storedKey'])
    // The exchange of RFC 7677, section 3.
    const proof = Buffer.from('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=', 'base64')
    const exchange = [
      'n=user,r=rOprNGfwEbeRWgbNEkqO',
      'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
    ].join(',')
    const signed = (key: string) =>
      createHmac('sha256', Buffer.from(key, 'base64')).update(exchange).digest()
    const clientKey = proof.map((byte, at) => byte ^ signed(record['storedKey']!)[at]!)
    expect(createHash('sha256').update(clientKey).digest('base64')).toBe(record['storedKey'])
    expect(signed(record['serverKey']!).toString('base64')).toBe(
      '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    )
  })

  it('are durable when answered, and the log says that no listener asks for them', async () => {
    await alter([put('a')])
    const notices = broker.logger.at('warn').map(({ message }) => message)
    expect(notices).toEqual(['credentials are kept, but no listener asks for them yet'])
    const disk = broker.disk.crash()
    await broker.stop()
    broker = await BrokerHarness.start({}, disk)
    expect(await shown()).toEqual([['a', 0, [[sha256, 4096]]]])
  })

  it.each([
    ['too few iterations', [put('a', sha256, 4095)], [], 93],
    ['too many iterations', [put('a', sha256, 16_385)], [], 93],
    ['an unknown mechanism', [put('a', 3)], [], 33],
    ['a credential that is not there, taken away', [], [{ name: 'a', mechanism: sha512 }], 91],
    ['a mechanism that is not there, taken away', [], [{ name: 'a', mechanism: 0 }], 33],
    ['a credential twice', [put('a'), put('a')], [], 92],
    ['one set and taken away', [put('a')], [{ name: 'a', mechanism: sha256 }], 92],
  ] as const)('of a user with %s are left as they are', async (_, upsertions, deletions, code) => {
    await alter([put('a', sha256, 4444)])
    const more = [put('a', sha512), put('b')]
    const answer = await alter([...upsertions, ...more], [...deletions])
    expect(answer).toEqual([
      ['a', code],
      ['b', 0],
    ])
    expect(await shown('a', 'b')).toEqual([
      ['a', 0, [[sha256, 4444]]],
      ['b', 0, [[sha256, 4096]]],
    ])
  })

  it('of nobody, or of one named twice, are refused', async () => {
    expect(await alter([put('')])).toEqual([['', 93]])
    await alter([put('a')])
    expect(await shown('a', 'a')).toEqual([['a', 92, []]])
  })
})
