/**
 * Installs Chronicle Queue with Maven and compiles ChronicleRun.java, into .cache/chronicle:
 *
 *     node bench/compare/chronicle/install.mjs
 *
 * Does nothing when that is done, for this pom and this source, or where Java or Maven is missing:
 * the bench then says that Chronicle Queue was not run.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = dirname(fileURLToPath(import.meta.url))
const target = join(folder, '..', '..', '..', '.cache', 'chronicle')
const pom = join(folder, 'pom.xml')
const source = join(folder, 'ChronicleRun.java')
const stampPath = join(target, '.installed')
const stamp = readFileSync(pom, 'utf8') + readFileSync(source, 'utf8')
const isInstalled = existsSync(stampPath) && readFileSync(stampPath, 'utf8') === stamp

if (!isInstalled && ['java', 'javac', 'mvn'].every(isThere)) install()

function install() {
  console.log('installing Chronicle Queue (once, a few seconds) …')
  rmSync(target, { recursive: true, force: true })
  mkdirSync(target, { recursive: true })
  const jars = join(target, 'lib')
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime']
  const isDone =
    succeeds('mvn', ['-q', '-B', '-f', pom, ...goal, `-DoutputDirectory=${jars}`]) &&
    succeeds('javac', ['-d', join(target, 'classes'), '-cp', join(jars, '*'), source])
  if (isDone) writeFileSync(stampPath, stamp)
}

function isThere(command) {
  return spawnSync(command, ['-version'], { stdio: 'ignore' }).error === undefined
}

function succeeds(command, args) {
  const options = { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', timeout: 9 * 60_000 }
  const { status, error, stdout, stderr } = spawnSync(command, args, options)
  if (status === 0) return true
  const said = `${stdout}${stderr}`.trim().split('\n').slice(0, 3).join(' ')
  console.error(`${command} failed: ${error?.message ?? said}`)
  return false
}
