/**
 * Installs what the benches compare with, into bench/compare/node_modules:
 *
 *     node bench/compare/install.mjs
 *
 * Does nothing when it is there already, for this Node and this lock file. Kept out of `npm ci`
 * because it takes two minutes: better-sqlite3 and mmap-io have no binary inside their packages, so
 * they are compiled here, with the headers beside the running node where they exist (no download).
 * What cannot be installed is left out with one line; the bench then says what it skipped.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = dirname(fileURLToPath(import.meta.url))
const stampPath = join(folder, 'node_modules', '.installed')
const stamp = `${process.version} ${process.arch}\n${readFileSync(join(folder, 'package-lock.json'), 'utf8')}`

if (!existsSync(stampPath) || readFileSync(stampPath, 'utf8') !== stamp) install()

function install() {
  console.log('installing what to compare with (once, about two minutes) …')
  // No install scripts: those of the two would try a download first.
  // `install`, not `ci`: it takes the lock file's versions too, and does not mind when a registry
  // lacks an optional package for some other platform.
  if (!npm(['install', '--no-save', '--ignore-scripts'], {})) return
  const prefix = dirname(dirname(process.execPath))
  const hasHeaders = existsSync(join(prefix, 'include', 'node', 'node.h'))
  for (const name of ['better-sqlite3', '@riaskov/mmap-io']) {
    npm(['rebuild', name, '--build-from-source'], hasHeaders ? { npm_config_nodedir: prefix } : {})
  }
  mkdirSync(dirname(stampPath), { recursive: true })
  writeFileSync(stampPath, stamp)
}

function npm(args, environment) {
  const result = spawnSync('npm', args, {
    cwd: folder,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    timeout: 9 * 60_000,
  })
  if (result.status === 0) return true
  const lines = (result.stderr ?? '').split('\n').filter((line) => line.startsWith('npm error'))
  const reason = result.error?.message ?? lines.slice(0, 3).join(' ')
  console.error(`npm ${args.join(' ')} failed: ${reason}`)
  return false
}
