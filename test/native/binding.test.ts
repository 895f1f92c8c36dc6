/** Both bindings against one contract; the addon is skipped by name where it cannot load. */
import { describe, it } from 'vitest'
import type { NativeBinding } from '../../src/native/binding.ts'
import { loadAddon } from '../../src/native/load-binding.ts'
import { portableBinding } from '../../src/native/portable.ts'
import { describeBindingContract } from '../contract/binding-contract.ts'

describeBindingContract('portable', () => portableBinding)

let addon: NativeBinding | undefined
let reason = ''
try {
  addon = loadAddon()
} catch (error) {
  reason = (error as Error).message.split('\n', 1)[0]!
}

if (addon !== undefined) {
  const loaded = addon
  describeBindingContract('addon', () => loaded)
} else {
  describe('addon binding', () => {
    it.skip(`keeps the contract [the addon does not load: ${reason}]`, () => {})
  })
}
