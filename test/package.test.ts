/**
 * The package as npm delivers it. Goal: what `npm pack` makes can be installed in an empty project,
 * on a machine without a compiler, and used from TypeScript and JavaScript as README says.
 * Method: the tree is copied (building here would pull dist/ from under other tests), packed, and
 * installed with a PATH that has Node and a shell and nothing else.
 */
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const limitBytes = 1_000_000
/** Everything a pack needs, and what tells the build that nothing is stale. */
const staged = [
  ...['package.json', 'tsconfig.json', 'tsconfig.build.json', 'binding.gyp', 'LICENSE'],
  ...['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'docs', 'src', 'native', 'scripts'],
  ...['dist', 'build', join('.cache', 'build.json')],
]
const unreachable = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED/

let work: string
let project: string
let bareSizeBytes: number
let contents: readonly string[]
/** Why nothing could be installed; undefined when it was. */
let skipReason: string | undefined

describe('the packed package', () => {
  beforeAll(() => {
    work = mkdtempSync(join(tmpdir(), 'stratalog-package-'))
    const stage = join(work, 'stage')
    for (const path of staged) {
      if (!existsSync(join(root, path))) continue
      cpSync(join(root, path), join(stage, path), { recursive: true, preserveTimestamps: true })
    }
    symlinkSync(join(root, 'node_modules'), join(stage, 'node_modules'))
    bareSizeBytes = statSync(pack(stage, 'bare').tarball).size
    succeed(stage, process.execPath, ['scripts/build.mjs', '--if-stale', '--prebuild'])
    const packed = pack(stage, 'whole')
    contents = packed.contents
    project = join(work, 'project')
    mkdirSync(project)
    writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n')
    install(packed.tarball)
  })

  afterAll(() => rmSync(work, { recursive: true, force: true }))

  it('holds what runs and what explains it, and no sources or tests', () => {
    for (const path of ['dist/public.js', 'dist/public.d.ts', 'dist/cli/main.js', 'LICENSE']) {
      expect(contents).toContain(path)
    }
    const strays = /^(src|test|bench|examples|demo|build|node_modules|\.)/
    expect(contents.filter((path) => strays.test(path))).toEqual([])
  })

  it('stays under a megabyte without prebuilt addons', () => {
    expect(bareSizeBytes).toBeLessThan(limitBytes)
  })

  describe('installed without a compiler', () => {
    beforeEach((context) => {
      if (skipReason !== undefined) context.skip(`no registry to install from: ${skipReason}`)
    })

    it('uses the prebuilt addon, when one was built for this machine', () => {
      const module = join(project, 'node_modules', 'stratalog', 'dist', 'native', 'load-binding.js')
      const hasPrebuild = contents.some((path) => path.startsWith('prebuilds/'))
      expect(hasPrebuild).toBe(existsSync(join(root, 'build', 'Release', 'stratalog.node')))
      const program = `const { bindingNote } = await import(${JSON.stringify(pathToFileURL(module))})
        console.log(bindingNote ?? 'the addon serves')`
      const said = run('--input-type=module', '--eval', program)
      if (hasPrebuild && process.env['STRATALOG_BINDING'] !== 'portable') {
        expect(said).toBe('the addon serves\n')
      } else {
        expect(said).not.toBe('the addon serves\n')
      }
    })

    it('runs the first program from plain JavaScript', () => {
      writeFileSync(join(project, 'first.js'), firstExample().replaceAll('./data', './data-js'))
      expect(run('first.js')).toMatch(/^offset 0, level disk: o-17 = /)
    })

    it('runs the first program and a server from TypeScript, checked strictly', () => {
      const program = `${firstExample().replaceAll('./data', './data-ts')}
import { serve, type ServeOptions } from 'stratalog/server'
import { type TestBroker, testBroker } from 'stratalog/testing'
const again = await openStore('./data-ts')
const options: ServeOptions = { port: 0 }
const server = await serve(again, options)
const port: number = server.port
console.log('listening', port > 0)
await server.close()
await again.close()
const broker: TestBroker = await testBroker({ topics: ['t'] })
console.log('testing', broker.brokers.length)
await broker.close()
`
      const compilerOptions = {
        module: 'nodenext',
        target: 'es2022',
        strict: true,
        types: ['node'],
      }
      writeFileSync(join(project, 'second.ts'), program)
      writeFileSync(
        join(project, 'tsconfig.json'),
        JSON.stringify({ compilerOptions, include: ['second.ts'] }),
      )
      borrowNodeTypes()
      run(join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.')
      expect(run('second.js')).toMatch(/^offset 0, .*\nlistening true\ntesting 1\n$/)
    })

    it('types wrong uses as errors', () => {
      const program = `import { openStore } from 'stratalog'
const log = await (await openStore('./never')).log('t')
await log.append({ key: 1, value: 'x' })
// For the store's own rooms.
log.settleInFrame()
`
      writeFileSync(join(project, 'wrong.ts'), program)
      borrowNodeTypes()
      const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
      const flags = ['--ignoreConfig', '--noEmit', '--module', 'nodenext', '--target', 'es2022']
      const { status, stdout } = spawn(project, process.execPath, [tsc, ...flags, 'wrong.ts'])
      expect(status).not.toBe(0)
      expect(stdout).toContain('wrong.ts(3,')
      expect(stdout).toContain(
        "wrong.ts(5,5): error TS2339: Property 'settleInFrame' does not exist",
      )
    })

    it('has a command that npx finds', () => {
      const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
      expect(succeed(project, 'npx', ['--no-install', 'stratalog', '--version'])).toBe(
        `${version}\n`,
      )
    })
  })
})

function firstExample(): string {
  return readFileSync(join(root, 'examples', '01-append-and-read.ts'), 'utf8')
}

/** Packs the staged tree as it lies; the scripts of the real one have run. */
function pack(stage: string, name: string): { tarball: string; contents: readonly string[] } {
  const target = join(work, name)
  mkdirSync(target)
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', target]
  const [result] = JSON.parse(succeed(stage, 'npm', args))
  const files: { path: string }[] = result.files
  return { tarball: join(target, result.filename), contents: files.map(({ path }) => path) }
}

/** Installs the tarball where there is neither compiler nor make nor Python. */
function install(tarball: string): void {
  const tools = join(work, 'tools')
  mkdirSync(tools)
  const nodeBin = dirname(process.execPath)
  symlinkSync(process.execPath, join(tools, 'node'))
  for (const name of ['npm', 'npx']) {
    if (existsSync(join(nodeBin, name))) symlinkSync(join(nodeBin, name), join(tools, name))
  }
  for (const name of ['sh', 'env', 'uname']) {
    for (const folder of ['/bin', '/usr/bin']) {
      if (readdirSync(folder).includes(name) && !existsSync(join(tools, name))) {
        symlinkSync(join(folder, name), join(tools, name))
      }
    }
  }
  const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball]
  const { status, stdout, stderr } = spawn(project, 'npm', args, { PATH: tools })
  if (status === 0) return
  skipReason = unreachable.exec(stderr)?.[0]
  if (skipReason === undefined) throw new Error(`npm install failed:\n${stdout}${stderr}`)
}

/** Types of Node as a TypeScript project has them, without asking the registry again. */
function borrowNodeTypes(): void {
  const types = join(project, 'node_modules', '@types')
  if (existsSync(types)) return
  mkdirSync(types)
  symlinkSync(join(root, 'node_modules', '@types', 'node'), join(types, 'node'))
}

function run(...args: readonly string[]): string {
  return succeed(project, process.execPath, args)
}

function succeed(cwd: string, command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawn(cwd, command, args)
  expect(status, `${command} ${args.join(' ')}\n${stdout}${stderr}`).toBe(0)
  return stdout
}

function spawn(
  cwd: string,
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, ...environment }
  const result = spawnSync(command, args, { cwd, env, encoding: 'utf8', timeout: 280_000 })
  if (result.error !== undefined) throw result.error
  return result
}
