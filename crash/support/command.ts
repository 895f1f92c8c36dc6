import { spawnSync } from 'node:child_process'
import { NotRunError } from './crash-run.ts'

/** Runs a command to its end and gives its output; throws with what it said when it fails. */
export function command(name: string, ...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(name, args, { encoding: 'utf8' })
  if (status === 0) return stdout
  throw new Error(`${name} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`)
}

/** Throws NotRunError naming every tool that is missing, with the Debian package that brings it. */
export function requireTools(tools: Readonly<Record<string, string>>): void {
  const missing = Object.entries(tools).filter(([tool]) => !isInstalled(tool))
  if (missing.length === 0) return
  const names = missing.map(([tool, debian]) => `${tool} (Debian: ${debian})`)
  throw new NotRunError(`missing ${names.join(', ')}`)
}

function isInstalled(tool: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0
}

export function requireRoot(why: string): void {
  if (process.getuid?.() !== 0) throw new NotRunError(`needs root ${why}`)
}
