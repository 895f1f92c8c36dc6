import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { servedApis } from '../../src/broker/api-table.ts'
import {
  type Api,
  isFlexible,
  readRequest,
  readResponse,
  writeRequest,
  writeResponse,
} from '../../src/protocol/api.ts'
import { readClientId, readRequestKey } from '../../src/protocol/headers.ts'
import { ProtocolError } from '../../src/protocol/protocol-error.ts'
import { WireReader } from '../../src/protocol/wire-reader.ts'
import { structArbitrary } from '../support/schema-arbitrary.ts'
import { frameBytes } from '../support/wire-frame.ts'

// Goal: what one side writes the other reads, in every API, version and direction.
// Method: values generated from the schema itself; hand-made bytes are in api-vectors.test.ts.

const cases = servedApis.flatMap(({ api }) =>
  Array.from({ length: api.versions.max - api.versions.min + 1 }, (_, i) => ({
    api,
    version: api.versions.min + i,
    title: `${api.name} v${api.versions.min + i}`,
  })),
)

function readRequestFrame(api: Api, version: number, frame: Buffer) {
  const reader = new WireReader(frame)
  const key = readRequestKey(reader)
  const clientId = readClientId(reader, isFlexible(api, version))
  return { header: { ...key, clientId }, body: readRequest(api, version, reader), reader }
}

/** vitest's own comparison takes milliseconds for a buffer; it only words the failure here. */
function expectSame(found: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(found, expected)) expect(found).toEqual(expected)
}

function outcome(read: () => unknown): 'read' | 'refused' {
  try {
    read()
    return 'read'
  } catch (error) {
    if (error instanceof ProtocolError) return 'refused'
    throw error
  }
}

describe('every API in every version', () => {
  it.each(cases)('carries requests of $title', ({ api, version }) => {
    fc.assert(
      fc.property(
        structArbitrary(api.request, version),
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        fc.option(fc.string({ maxLength: 20 })),
        (body, correlationId, clientId) => {
          const frame = frameBytes(
            writeRequest(api, { apiVersion: version, correlationId, clientId }, body),
          )
          const result = readRequestFrame(api, version, frame)
          expect(result.header).toEqual({
            apiKey: api.key,
            apiVersion: version,
            correlationId,
            clientId,
          })
          expectSame(result.body, body)
          expect(result.reader.bytesLeft).toBe(0)
        },
      ),
      { numRuns: 8 },
    )
  })

  it.each(cases)('carries responses of $title', ({ api, version }) => {
    fc.assert(
      fc.property(structArbitrary(api.response, version), fc.nat(), (body, correlationId) => {
        const frame = frameBytes(writeResponse(api, version, correlationId, body))
        expectSame(readResponse(api, version, frame), { correlationId, body })
      }),
      { numRuns: 8 },
    )
  })
})

describe('hostile bytes', () => {
  it.each(cases)('cut off at any byte, a request of $title is refused', ({ api, version }) => {
    const [body] = fc.sample(structArbitrary(api.request, version), { seed: 7, numRuns: 1 })
    const header = { apiVersion: version, correlationId: 1, clientId: 'c' }
    const frame = frameBytes(writeRequest(api, header, body!))
    const refused = []
    for (let length = 0; length < frame.length; length++) {
      const cut = frame.subarray(0, length)
      if (outcome(() => readRequestFrame(api, version, cut)) === 'refused') refused.push(length)
    }
    expect(refused.length).toBe(frame.length)
  })

  it.each(cases)('random bytes as $title give a value or a ProtocolError', ({ api, version }) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        outcome(() => readRequest(api, version, new WireReader(Buffer.from(bytes))))
        outcome(() => readResponse(api, version, Buffer.from(bytes)))
      }),
      { numRuns: 40 },
    )
  })

  it.each(cases)('changed bytes in $title give a value or a ProtocolError', ({ api, version }) => {
    const [body] = fc.sample(structArbitrary(api.response, version), { seed: 11, numRuns: 1 })
    const frame = frameBytes(writeResponse(api, version, 1, body!))
    fc.assert(
      fc.property(fc.nat({ max: frame.length - 1 }), fc.nat({ max: 255 }), (at, byte) => {
        const changed = Buffer.from(frame)
        changed[at] = byte
        outcome(() => readResponse(api, version, changed))
      }),
      { numRuns: 40 },
    )
  })
})
