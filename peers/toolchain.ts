/** Which commands this machine has. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Why a suite that needs `tools` cannot run; undefined when it can. */
export function missingTools(tools: readonly string[]): string | undefined {
  const missing = tools.filter((tool) => !isInstalled(tool))
  return missing.length === 0 ? undefined : `no ${missing.join(', no ')}`
}

export function isInstalled(tool: string): boolean {
  return commandPath(tool) !== undefined
}

/** The file that `tool` names as a command; undefined where there is none. */
export function commandPath(tool: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const paths = folders.map((folder) => join(folder, tool))
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK)
      return true
    } catch {
      return false // Not in this folder, or not to be run.
    }
  })
}
