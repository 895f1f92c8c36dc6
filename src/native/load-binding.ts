/**
 * Chooses the binding of this process, once: the addon where it loads, else portable.ts.
 *
 * `STRATALOG_BINDING` decides: `auto` (default) as above, `portable` never looks for the addon,
 * `addon` throws when it cannot be loaded.
 */
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import type { NativeBinding } from './binding.ts'
import { portableBinding } from './portable.ts'

/** Two levels above src/native and dist/native alike: where `build/` and `prebuilds/` are. */
const packageRoot = fileURLToPath(new URL('../..', import.meta.url))

type Choice = { readonly binding: NativeBinding; readonly note: string | undefined }

function choose(setting: string): Choice {
  if (setting === 'portable') {
    return { binding: portableBinding, note: 'STRATALOG_BINDING=portable asks for it' }
  }
  if (setting !== 'addon' && setting !== 'auto') {
    throw new Error(
      `STRATALOG_BINDING is ${JSON.stringify(setting)}: expected 'auto', 'addon' or 'portable'`,
    )
  }
  try {
    return { binding: loadAddon(), note: undefined }
  } catch (error) {
    const reason = firstLine(error)
    if (setting === 'addon') {
      throw new Error(`STRATALOG_BINDING=addon, but the addon does not load: ${reason}`, {
        cause: error,
      })
    }
    return { binding: portableBinding, note: `the native addon does not load: ${reason}` }
  }
}

/** Loads the addon from `prebuilds/` or `build/`; throws when there is none that fits. */
export function loadAddon(): NativeBinding {
  const require = createRequire(import.meta.url)
  const load = require('node-gyp-build') as (root: string) => NativeBinding
  return load(packageRoot)
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.split('\n', 1)[0]!
}

const chosen = choose(process.env['STRATALOG_BINDING'] || 'auto')

/** The binding every floor above uses. */
export const binding: NativeBinding = chosen.binding

/** Why portable.ts serves, for a person to read; undefined when the addon does. */
export const bindingNote: string | undefined = chosen.note
