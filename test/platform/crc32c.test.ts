import { describe, expect, it } from 'vitest'
import { crc32c } from '../../src/platform/crc32c.ts'

describe('crc32c', () => {
  it('gives the check value of the CRC-32C catalogue', () => {
    expect(crc32c(Buffer.from('123456789'), 0, 9)).toBe(0xe3069283)
  })
})
