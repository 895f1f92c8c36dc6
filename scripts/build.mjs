/**
 * Builds what the package runs from: the addon (scripts/build-addon.mjs) and `dist/` (tsc).
 *
 *     node scripts/build.mjs [--if-stale] [--prebuild]
 *
 * --if-stale   builds only what is older than its sources. Costs a few milliseconds when nothing
 *              changed, because `npm start` runs it before every start.
 * --prebuild   also leaves the addon in prebuilds/, for the package.
 *
 * What is stale is decided by a fingerprint (path, size and modification time of every input),
 * kept in .cache/build.json, so that a deleted or restored source counts as a change too.
 *
 * Where TypeScript is not installed (`npm install --omit=dev`, a dependency) an existing dist/ is
 * left as it is. A missing compiler is no error either: build-addon.mjs then exits 0 and the
 * portable binding serves. Errors of tsc end the build with exit code 1.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const statePath = join(root, '.cache', 'build.json')
const ifStale = process.argv.includes('--if-stale')
const prebuild = process.argv.includes('--prebuild')

for (const argument of process.argv.slice(2)) {
  if (argument !== '--if-stale' && argument !== '--prebuild') {
    fail(`build: unknown argument ${argument}: expected --if-stale or --prebuild`)
  }
}

const state = readState()
await buildAddon()
await buildDist()

async function buildAddon() {
  const script = join(root, 'scripts', 'build-addon.mjs')
  if (!existsSync(script)) return
  if (ifStale && !prebuild && state.addon === addonFingerprint()) return
  const flags = [...(prebuild ? ['--prebuild'] : []), ...(ifStale ? ['--if-stale'] : [])]
  const status = await run(process.execPath, [script, ...flags])
  if (status !== 0) fail(`build: building the addon failed (exit code ${status})`)
  // Taken after the build, because it also covers the file that the build leaves behind.
  saveState({ addon: addonFingerprint() })
}

async function buildDist() {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const sources = listFiles('src').filter((path) => path.endsWith('.ts'))
  // An installed package has no sources, and one without TypeScript cannot build them.
  if (sources.length === 0) return
  const complete = sources.every((path) => outputsOf(path).every((p) => existsSync(join(root, p))))
  if (!existsSync(compiler)) {
    if (existsSync(join(root, 'dist', 'public.js'))) return
    fail('build: dist/ is missing and typescript is not installed: run npm ci without --omit=dev')
  }
  const fingerprint = fingerprintOf([...sources, 'tsconfig.json', 'tsconfig.build.json'])
  if (ifStale && complete && state.dist === fingerprint) return
  const status = await run(process.execPath, [compiler, '-p', join(root, 'tsconfig.build.json')])
  if (status !== 0) {
    saveState({ dist: undefined })
    fail('build: tsc reported errors')
  }
  removeStrays(new Set(sources.flatMap(outputsOf)))
  const main = join(root, 'dist', 'cli', 'main.js')
  if (existsSync(main)) chmodSync(main, 0o755)
  saveState({ dist: fingerprint })
}

/** `src/a/b.ts` gives `dist/a/b.js` and `dist/a/b.d.ts`; a declaration file gives nothing. */
function outputsOf(source) {
  if (source.endsWith('.d.ts')) return []
  const stem = join('dist', source.slice('src/'.length, -'.ts'.length))
  return [`${stem}.js`, `${stem}.d.ts`]
}

/** Removes from dist/ what no source stands behind: outputs of deleted or renamed files. */
function removeStrays(expected) {
  const directories = new Set()
  for (const path of listFiles('dist')) {
    directories.add(dirname(path))
    if (!expected.has(path)) rmSync(join(root, path))
  }
  for (const directory of [...directories].sort().reverse()) {
    if (readdirSync(join(root, directory)).length === 0) rmdirSync(join(root, directory))
  }
}

/** The addon's inputs and output, and the machine they are for. */
function addonFingerprint() {
  const inputs = [...listFiles('native'), 'binding.gyp', 'scripts/build-addon.mjs']
  const outputs = listFiles(join('build', 'Release'), false).filter((path) =>
    path.endsWith('.node'),
  )
  return `${process.platform} ${process.arch} ${fingerprintOf([...inputs, ...outputs])}`
}

/** A number that changes when any of the files changes, appears or disappears. */
function fingerprintOf(paths) {
  // FNV-1a over "path size mtime" lines; node:crypto would cost more to load than to run.
  let hash = 0x811c9dc5
  for (const path of paths) {
    const stat = statSync(join(root, path), { throwIfNoEntry: false })
    const line = stat === undefined ? `${path} absent` : `${path} ${stat.size} ${stat.mtimeMs}`
    for (let i = 0; i < line.length; i++) hash = Math.imul(hash ^ line.charCodeAt(i), 0x01000193)
  }
  return `${paths.length}-${(hash >>> 0).toString(16)}`
}

/** Paths of all files below `directory`, relative to the root, sorted; none when it is absent. */
function listFiles(directory, deep = true) {
  if (!existsSync(join(root, directory))) return []
  const files = []
  for (const entry of readdirSync(join(root, directory), { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) {
      if (deep) files.push(...listFiles(path))
    } else files.push(path)
  }
  return files.sort()
}

function readState() {
  if (!existsSync(statePath)) return {}
  try {
    return JSON.parse(readFileSync(statePath, 'utf8'))
  } catch {
    return {} // A half-written cache only means that everything is built again.
  }
}

function saveState(change) {
  Object.assign(state, change)
  mkdirSync(dirname(statePath), { recursive: true })
  writeFileSync(statePath, `${JSON.stringify(state)}\n`)
}

/** Runs a command with our output as its output; resolves with its exit code. */
async function run(command, args) {
  // Loaded here, so that the run that finds nothing to do does not pay for it.
  const { spawnSync } = await import('node:child_process')
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  if (result.error !== undefined) throw result.error
  return result.status ?? 1
}

function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
