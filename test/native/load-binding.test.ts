import { afterEach, describe, expect, it, vi } from 'vitest'

describe('choice of the binding', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
    vi.resetModules()
  })

  const load = (setting: string) => {
    vi.resetModules()
    vi.stubEnv('STRATALOG_BINDING', setting)
    return import('../../src/native/load-binding.ts')
  }

  it('takes the portable binding when told to, and says why', async () => {
    const { binding, bindingNote } = await load('portable')
    expect(binding.kind).toBe('portable')
    expect(bindingNote).toContain('STRATALOG_BINDING=portable')
  })

  it.each(['auto', ''])(
    'gives a note exactly when the addon does not serve (%j)',
    async (setting) => {
      const { binding, bindingNote } = await load(setting)
      expect(bindingNote === undefined).toBe(binding.kind === 'addon')
    },
  )

  it('takes the addon or nothing when told to', async () => {
    const { binding } = await load('auto')
    const outcome = await load('addon').then(
      (loaded) => loaded.binding.kind,
      (error: Error) => error.message,
    )
    if (binding.kind === 'addon') expect(outcome).toBe('addon')
    else expect(outcome).toContain('STRATALOG_BINDING=addon')
  })

  it('refuses a setting that it does not know', async () => {
    await expect(load('fast')).rejects.toThrow(
      `STRATALOG_BINDING is "fast": expected 'auto', 'addon' or 'portable'`,
    )
  })
})
