/**
 * The engine as it was at a git revision, built in .cache/baseline/<commit> with the packages that
 * are installed here. Kept for the next run.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '../support/machine.ts'

/** `dist/public.js` of the revision, or why there is none. */
export type BaselineBuild = { readonly entry: string } | { readonly reason: string }

export function buildBaseline(revision: string): BaselineBuild {
  const root = repositoryRoot()
  const resolved = run('git', ['rev-parse', '--verify', '--quiet', `${revision}^{commit}`], root)
  if (resolved.status !== 0) return { reason: `git knows no commit ${revision} here` }
  const commit = resolved.stdout.trim()
  const folder = join(root, '.cache', 'baseline', commit)
  const entry = join(folder, 'dist', 'public.js')
  if (existsSync(entry)) return { entry }

  // Made under another name, so that what bears the commit's name is whole.
  const making = `${folder}.making`
  rmSync(making, { recursive: true, force: true })
  mkdirSync(making, { recursive: true })
  const steps: (readonly [string, readonly string[]])[] = [
    ['git', ['archive', '--format=tar', '-o', join(making, 'tree.tar'), commit]],
    ['tar', ['-xf', join(making, 'tree.tar'), '-C', making]],
  ]
  for (const [command, args] of steps) {
    const { status, stderr } = run(command, args, root)
    if (status !== 0) return { reason: `${command} ${args[0]}: ${stderr.split('\n')[0]}` }
  }
  rmSync(join(making, 'tree.tar'))
  symlinkSync(join(root, 'node_modules'), join(making, 'node_modules'))
  const failed = buildTree(making)
  if (failed !== undefined) return { reason: failed }
  renameSync(making, folder)
  return { entry }
}

/** Builds this tree in the same way; its `dist/public.js`, or why there is none. */
export function buildWorkingTree(): BaselineBuild {
  const root = repositoryRoot()
  const failed = buildTree(root)
  return failed === undefined ? { entry: join(root, 'dist', 'public.js') } : { reason: failed }
}

/** The first line of what went wrong, if anything did. */
function buildTree(root: string): string | undefined {
  const script = join(root, 'scripts', 'build.mjs')
  const { status, stdout, stderr } = run(process.execPath, [script, '--if-stale'], root)
  if (status === 0) return undefined
  return `the build failed: ${(stderr || stdout).split('\n')[0]}`
}

function run(command: string, args: readonly string[], cwd: string) {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 180_000 })
  // No such command: spawnSync gives no output then.
  const stderr = result.error === undefined ? result.stderr : String(result.error.message)
  return { status: result.status, stdout: result.stdout ?? '', stderr }
}
