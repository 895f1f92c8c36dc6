/** The histories of the exhaustive search, by name. */
import { logScript, type Script } from './script.ts'
import { groupScript } from './script-groups.ts'

export const scriptNames = ['logs', 'groups'] as const
export type ScriptName = (typeof scriptNames)[number]

const scripts: Readonly<Record<ScriptName, Script>> = { logs: logScript, groups: groupScript }

export function scriptNamed(name: ScriptName): Script {
  return scripts[name]
}
