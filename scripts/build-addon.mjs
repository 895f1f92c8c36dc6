/**
 * Builds the native addon into build/Release/stratalog.node, offline where headers are at hand.
 *
 *     node scripts/build-addon.mjs [--if-stale] [--prebuild]
 *
 * --if-stale  does nothing when the addon is newer than all of its sources
 * --prebuild  also copies it to prebuilds/<platform>-<arch>/ for the npm package
 *
 * Without a compiler or headers it says that the portable binding will serve and exits 0: the
 * package works without the addon. It exits 1 when a compiler is there and the build fails.
 * STRATALOG_BUILD_VERBOSE=1 shows the whole log of a failure instead of its last 20 lines.
 */
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  utimesSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const require = createRequire(import.meta.url)
const root = dirname(dirname(fileURLToPath(import.meta.url)))
const output = join(root, 'build', 'Release', 'stratalog.node')
const shown = 'build/Release/stratalog.node'

const sources = readdirSync(join(root, 'native'))
  .map((name) => join(root, 'native', name))
  .concat(join(root, 'binding.gyp'), fileURLToPath(import.meta.url))

main(process.argv.slice(2))

function main(options) {
  const unknown = options.find((option) => option !== '--if-stale' && option !== '--prebuild')
  if (unknown !== undefined) {
    console.error(`build-addon: unknown option ${unknown}: expected --if-stale or --prebuild`)
    process.exit(2)
  }
  if (!(options.includes('--if-stale') && isFresh()) && !build()) return
  if (options.includes('--prebuild')) prebuild()
}

function isFresh() {
  const built = statSync(output, { throwIfNoEntry: false })
  return built !== undefined && sources.every((source) => statSync(source).mtimeMs <= built.mtimeMs)
}

/** Builds and loads the addon; false when it had to do without. */
function build() {
  if (process.platform === 'win32') return doWithout('the addon has no Windows part yet')
  const compiler = findCompiler()
  if (compiler === undefined) return doWithout('no C++ compiler found')
  const headers = findHeaders()
  const started = Date.now()

  const gyp = buildWithNodeGyp(headers)
  let failure = gyp.failure
  let how = 'node-gyp'
  if (failure !== undefined && headers !== undefined) {
    // node-gyp needs Python and make; the sources need neither.
    const direct = buildDirectly(compiler, headers)
    if (direct === undefined) {
      failure = undefined
      how = compiler
    } else if (!gyp.isMissingTool) failure += `\n${direct}`
    else failure = direct
  }
  if (failure === undefined) failure = loadFailure()
  if (failure === undefined) {
    // make(1) leaves alone what no source has changed; for --if-stale it is fresh all the same.
    utimesSync(output, new Date(), new Date())
    const seconds = ((Date.now() - started) / 1000).toFixed(1)
    console.log(`native addon built with ${how} in ${seconds} s: ${shown}`)
    return true
  }
  if (headers === undefined) {
    return doWithout('no Node.js headers beside this node, and none could be downloaded')
  }
  fail(failure)
}

function doWithout(reason) {
  console.log(`native addon not built (${reason}): the portable binding will serve`)
  return false
}

function fail(log) {
  const lines = log.trimEnd().split('\n')
  const verbose = process.env.STRATALOG_BUILD_VERBOSE === '1'
  console.error((verbose ? lines : lines.slice(-20)).join('\n'))
  console.error('native addon: the build failed; until it is mended the portable binding serves')
  if (!verbose && lines.length > 20) console.error('STRATALOG_BUILD_VERBOSE=1 shows the whole log')
  process.exit(1)
}

function findCompiler() {
  const candidates = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++']
  return candidates.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0)
}

/**
 * The directory that has `include/node`. Node-API is stable across versions, so headers of another
 * Node.js on this machine do as well as those beside the running one.
 */
function findHeaders() {
  const own = dirname(dirname(process.execPath))
  const cache = join(homedir(), '.cache', 'node-gyp')
  const cached = existsSync(cache) ? readdirSync(cache).map((name) => join(cache, name)) : []
  return [own, '/usr', '/usr/local', ...cached.reverse()].find((prefix) =>
    ['node_api.h', 'uv.h', 'common.gypi'].every((name) =>
      existsSync(join(prefix, 'include', 'node', name)),
    ),
  )
}

function run(command, commandArguments) {
  const result = spawnSync(command, commandArguments, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  if (result.status === 0) return undefined
  return `${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`
}

/** `failure` is undefined on success; `isMissingTool` when node-gyp could not even start to compile. */
function buildWithNodeGyp(headers) {
  let nodeGyp
  try {
    nodeGyp = require.resolve('node-gyp/bin/node-gyp.js')
  } catch {
    return { failure: 'node-gyp is not installed', isMissingTool: true }
  }
  const nodedir = headers === undefined ? [] : [`--nodedir=${headers}`]
  // Not `rebuild`: that removes the old addon first, and processes that start meanwhile lack it.
  const failure = run(process.execPath, [nodeGyp, 'configure', 'build', '--release', ...nodedir])
  const isMissingTool = /find any Python|not found: make|make: not found/i.test(failure ?? '')
  return { failure, isMissingTool }
}

/** Compiles the sources with one call of the compiler; undefined on success, else its log. */
function buildDirectly(compiler, headers) {
  let wrapper
  try {
    wrapper = dirname(require.resolve('node-addon-api'))
  } catch {
    return 'node-addon-api is not installed'
  }
  mkdirSync(dirname(output), { recursive: true })
  const shared =
    process.platform === 'darwin'
      ? ['-bundle', '-undefined', 'dynamic_lookup']
      : ['-shared', '-fPIC', '-pthread']
  const draft = `${output}.${process.pid}`
  const failure = run(compiler, [
    ...shared,
    ...['-std=c++17', '-O3', '-fvisibility=hidden', '-fno-exceptions'],
    ...['-DNAPI_VERSION=8', '-DNAPI_DISABLE_CPP_EXCEPTIONS', '-DNODE_GYP_MODULE_NAME=stratalog'],
    ...['-DBUILDING_NODE_EXTENSION', '-DNODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
    ...['-I', join(headers, 'include', 'node'), '-I', wrapper],
    ...sources.filter((source) => source.endsWith('.cc')),
    ...['-o', draft],
  ])
  // A rename, because a running process may have the old file mapped.
  if (failure === undefined) renameSync(draft, output)
  return failure
}

function loadFailure() {
  try {
    require(output)
    return undefined
  } catch (error) {
    return `the addon was built but does not load: ${error.message}`
  }
}

function prebuild() {
  if (!existsSync(output)) return
  const libc = process.report?.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl'
  const name = process.platform === 'linux' ? `node.napi.${libc}.node` : 'node.napi.node'
  const folder = join('prebuilds', `${process.platform}-${process.arch}`)
  mkdirSync(join(root, folder), { recursive: true })
  copyFileSync(output, join(root, folder, name))
  console.log(`native addon copied to ${join(folder, name)}`)
}
