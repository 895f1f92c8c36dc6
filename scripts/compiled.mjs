/**
 * Runs TypeScript that is no part of the package (benches, crash tests): Node 20 runs JavaScript, so
 * a folder and the sources it imports are compiled to .cache/<name> first (incrementally), where
 * links to build/ and prebuilds/ let the addon be found.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * Compiles by `tsconfig`, whose `outDir` must be `.cache/<name>`; ends the process when that fails.
 *
 * @returns the folder that holds the compiled tree.
 */
export function compile(name, tsconfig) {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  if (!existsSync(compiler)) {
    console.error('TypeScript is not installed: run npm ci first')
    process.exit(1)
  }
  const output = join(root, '.cache', name)
  mkdirSync(output, { recursive: true })
  writeFileSync(join(output, 'package.json'), '{ "type": "module" }\n')
  for (const folder of ['build', 'prebuilds']) {
    rmSync(join(output, folder), { force: true })
    if (existsSync(join(root, folder))) symlinkSync(join(root, folder), join(output, folder))
  }
  run([join(root, 'scripts', 'build-addon.mjs'), '--if-stale'])
  run([compiler, '-p', join(root, tsconfig)])
  return output
}

/** Runs Node and waits; a failure ends this process with the same exit code. */
export function run(args, options = {}) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', ...options })
  if (status !== 0) process.exit(status ?? 1)
}
