/**
 * Style that a machine can check. Goal: the tree keeps the shape ARCHITECTURE.md draws, and what
 * breaks it is named with file and line. Method: the rules of test/support/tidy-rules.ts run over
 * every file that git knows or would add; a second suite plants a fault for each rule in sources
 * made in memory, to show that the rule can fail.
 */
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readRepository, SourceFile } from './support/source-file.ts'
import {
  errorsAreDocumentedAndTested,
  type Finding,
  hasNoBarrels,
  hasNoCycles,
  hasNoDefaultExports,
  hasTellingNames,
  importsCarryExtension,
  importsGoDown,
  importsOnlyFrom,
  isErasable,
  leavesNothingToDo,
  namesNoMachine,
  skipsWithReason,
  staysShort,
  testsMirrorSources,
  usesGlobalOnlyFrom,
} from './support/tidy-rules.ts'

/** The floors, lowest first. Those on one line stand beside each other and do not import each other. */
const floorTable = [
  ['base'],
  ['native'],
  ['platform'],
  ['record'],
  ['index'],
  ['segment'],
  ['flush'],
  ['log'],
  ['table'],
  ['store'],
  ['protocol'],
  ['broker', 'backends'],
  ['net'],
  ['cli', 'testing'],
]
const floors = new Map(floorTable.flatMap((names, rank) => names.map((name) => [name, rank])))

const mayTouchDisk = (path: string) =>
  path.startsWith('src/platform/') || path === 'src/native/portable.ts'
const mayTouchSockets = (path: string) => path.startsWith('src/net/')
const mayTouchProcess = (path: string) =>
  path.startsWith('src/cli/') ||
  path.startsWith('src/native/') ||
  // Reads one environment variable, once, through globalThis: assertions stand below every floor
  // that could pass the answer in.
  path === 'src/base/assert.ts'
const mayPrint = (path: string) => path.startsWith('src/cli/')

const diskModules = ['fs', 'fs/promises']
const socketModules = ['net', 'tls']

describe('the source tree', () => {
  const files = readRepository(dirname(dirname(fileURLToPath(import.meta.url))))

  it('imports only from its own floor or a lower one', () => {
    expectNone(importsGoDown(files, floors))
  })

  it('has no import cycles', () => {
    expectNone(hasNoCycles(files))
  })

  it('has no barrels: a thing is imported from the file that defines it', () => {
    expectNone(hasNoBarrels(files))
  })

  it('exports by name', () => {
    expectNone(hasNoDefaultExports(files))
  })

  it('touches the disk only in platform/ and the portable binding', () => {
    expectNone(importsOnlyFrom(files, diskModules, mayTouchDisk))
  })

  it('opens sockets only in net/', () => {
    expectNone(importsOnlyFrom(files, socketModules, mayTouchSockets))
  })

  it('touches the process only in cli/ and native/', () => {
    expectNone(usesGlobalOnlyFrom(files, 'process', mayTouchProcess))
  })

  it('prints only in cli/', () => {
    expectNone(usesGlobalOnlyFrom(files, 'console', mayPrint))
  })

  it('keeps files under 500 lines, or says why not', () => {
    expectNone(staysShort(files))
  })

  it('names files after what they hold', () => {
    expectNone(hasTellingNames(files))
  })

  it('uses no TypeScript that must be compiled rather than erased', () => {
    expectNone(isErasable(files))
  })

  it('leaves no notes to self', () => {
    expectNone(leavesNothingToDo(files))
  })

  it('skips no test without saying why', () => {
    expectNone(skipsWithReason(files))
  })

  it('names no machine, registry or folder outside the repository', () => {
    expectNone(namesNoMachine(files))
  })

  it('writes the extension of every relative import', () => {
    expectNone(importsCarryExtension(files))
  })

  it('has its tests where its sources are', () => {
    expectNone(testsMirrorSources(files, floors))
  })

  it('has a class, a line in docs/errors.md and a test for every error code', () => {
    expectNone(errorsAreDocumentedAndTested(files))
  })
})

describe('every tidy rule', () => {
  it('sees an import that goes up, or to a neighbour', () => {
    const files = plant({
      'src/record/a.ts': "import { b } from '../record/b.ts'\nimport { c } from '../log/c.ts'",
      'src/backends/d.ts': "export const d = () => import('../broker/e.ts')",
      'src/upstairs/f.ts': '',
      'src/public.ts': "export { c } from './log/c.ts'",
      'src/cli/g.ts': "import { c } from '../public.ts'",
      'src/net/h.ts': "import { c } from '../public.ts'",
    })
    expect(places(importsGoDown(files, floors))).toEqual([
      'src/record/a.ts:2',
      'src/backends/d.ts:1',
      'src/upstairs/f.ts:1',
      'src/net/h.ts:1',
    ])
  })

  it('sees a cycle, also one that only types close', () => {
    const files = plant({
      'src/log/a.ts': "import { b } from './b.ts'",
      'src/log/b.ts': "\nimport type { c } from './c.ts'",
      'src/log/c.ts': "import { a } from './a.ts'",
      'src/log/d.ts': "import { a } from './a.ts'",
    })
    const findings = hasNoCycles(files)
    expect(places(findings)).toEqual(['src/log/c.ts:1'])
    expect(findings[0]?.message).toContain(
      'src/log/a.ts → src/log/b.ts → src/log/c.ts → src/log/a.ts',
    )
  })

  it('sees a barrel', () => {
    const files = plant({
      'src/log/index.ts': '',
      'src/log/all.ts': "export * from './a.ts'\nexport { b } from './b.ts'\nexport const c = 1",
      'src/public.ts': "export { b } from './log/b.ts'",
    })
    expect(places(hasNoBarrels(files))).toEqual([
      'src/log/index.ts:1',
      'src/log/all.ts:1',
      'src/log/all.ts:2',
    ])
  })

  it('sees a default export', () => {
    const files = plant({ 'src/log/a.ts': '\nexport default 1', 'x.config.ts': 'export default 1' })
    expect(places(hasNoDefaultExports(files))).toEqual(['src/log/a.ts:2'])
  })

  it('sees the disk and sockets used from the wrong floor', () => {
    const files = plant({
      'src/log/a.ts': "import fs from 'node:fs'\nimport 'fs/promises'\nimport 'node:net'",
      'src/platform/b.ts': "import fs from 'node:fs'",
      'src/net/c.ts': "import net from 'node:net'",
    })
    expect(places(importsOnlyFrom(files, diskModules, mayTouchDisk))).toEqual([
      'src/log/a.ts:1',
      'src/log/a.ts:2',
    ])
    expect(places(importsOnlyFrom(files, socketModules, mayTouchSockets))).toEqual([
      'src/log/a.ts:3',
    ])
  })

  it('sees the process and the console, and not fields of the same name', () => {
    const files = plant({
      'src/log/a.ts': "process.exit()\nglobalThis.process\nimport { pid } from 'node:process'",
      'src/log/b.ts': 'const task = { process: 1 }\ntask.process\ntype T = { process: number }',
      'src/log/c.ts': "console.log('x')",
      'src/cli/d.ts': "console.log(process.pid) // 'process'",
    })
    expect(places(usesGlobalOnlyFrom(files, 'process', mayTouchProcess)).sort()).toEqual([
      'src/log/a.ts:1',
      'src/log/a.ts:2',
      'src/log/a.ts:3',
    ])
    expect(places(usesGlobalOnlyFrom(files, 'console', mayPrint))).toEqual(['src/log/c.ts:1'])
  })

  it('sees a long file, unless its header gives the reason', () => {
    const long = 'const x = 1\n'.repeat(501)
    const files = plant({
      'src/log/a.ts': long,
      'src/log/b.ts': `/** Past 500 lines: one table. */\n${long}`,
      'src/log/c.ts': 'const x = 1\n'.repeat(500),
    })
    expect(places(staysShort(files))).toEqual(['src/log/a.ts:500'])
  })

  it('sees a name that says nothing', () => {
    const files = plant({
      'src/log/utils.ts': '',
      'test/support/test-helpers.ts': '',
      'src/log/types.ts': '',
      'src/base/types.ts': '',
      'native/common.h': '',
    })
    expect(places(hasTellingNames(files))).toEqual([
      'src/log/utils.ts:1',
      'test/support/test-helpers.ts:1',
      'src/log/types.ts:1',
      'native/common.h:1',
    ])
  })

  it('sees enums, namespaces and parameter properties', () => {
    const files = plant({
      'src/log/a.ts':
        'enum A { B }\nnamespace N {}\nclass C { constructor(readonly x: number) {} }',
    })
    expect(places(isErasable(files)).sort()).toEqual([
      'src/log/a.ts:1',
      'src/log/a.ts:2',
      'src/log/a.ts:3',
    ])
  })

  it('sees a note to self', () => {
    const files = plant({ 'src/log/a.ts': `const a = 1 // ${'TO' + 'DO'}: later` })
    expect(places(leavesNothingToDo(files))).toEqual(['src/log/a.ts:1'])
  })

  it('sees a test that runs alone, and one skipped without a reason', () => {
    const files = plant({
      'test/a.test.ts': [
        "it.only('runs', () => {})",
        "it.skip('skips', () => {})",
        "describe.skipIf(x)('skips', () => {})",
        "it.skipIf(x).each([1])('skips %i', () => {})",
        "it.skip('skips [no addon on this machine]', () => {})",
        "it.runIf(x)('skips — no kcat', () => {})",
        "it.each([1])('runs %i', () => {})",
      ].join('\n'),
    })
    expect(places(skipsWithReason(files)).sort()).toEqual([
      'test/a.test.ts:1',
      'test/a.test.ts:2',
      'test/a.test.ts:3',
      'test/a.test.ts:4',
    ])
  })

  it('sees the path of one machine, a registry and a folder outside', () => {
    const files = plant({
      'a.md': `see /${'home'}/me/x\nand ../${'sha' + 'red'}/b.md\nor src/root/a`,
      'package-lock.json': `{\n"${'resolved'}": "https://registry/x.tgz" }`,
      '.npmrc': `fund=false\n${'regi' + 'stry'}=https://r`,
    })
    expect(places(namesNoMachine(files)).sort()).toEqual([
      '.npmrc:2',
      'a.md:1',
      'a.md:2',
      'package-lock.json:2',
    ])
  })

  it('sees an import without extension', () => {
    const files = plant({ 'src/log/a.ts': "import './b.ts'\nimport './c'\nimport './d.js'" })
    expect(places(importsCarryExtension(files))).toEqual(['src/log/a.ts:2', 'src/log/a.ts:3'])
  })

  it('sees a test that stands beside no source', () => {
    const files = plant({
      'src/log/log.ts': '',
      'test/log/log.test.ts': 'it()',
      'test/log/log-recovery.test.ts': '// Goal: recovery of a whole log.\nit()',
      'test/log/lost.test.ts': 'it()',
      'test/nowhere/log.test.ts': 'it()',
    })
    expect(places(testsMirrorSources(files, floors))).toEqual([
      'test/log/lost.test.ts:1',
      'test/nowhere/log.test.ts:1',
    ])
  })

  it('sees an error code without class, line or test', () => {
    const files = plant({
      'src/base/errors.ts': [
        "type LogErrorCode = 'ERR_A'",
        "  | 'ERR_B'",
        "class AError { readonly code = 'ERR_A' }",
      ].join('\n'),
      'docs/errors.md': '| `ERR_A` | AError | … |',
      'test/base/errors.test.ts': 'expect(AError)',
    })
    expect(errorsAreDocumentedAndTested(files).map((finding) => finding.message)).toEqual([
      'ERR_B has 0 classes instead of one',
      'ERR_B has no line with its class in docs/errors.md',
      'no test names ERR_B or its class',
    ])
  })
})

function expectNone(findings: readonly Finding[]): void {
  const listing = findings.map(({ path, line, message }) => `${path}:${line} ${message}`)
  expect(listing, listing.join('\n')).toEqual([])
}

function plant(sources: Record<string, string>): SourceFile[] {
  return Object.entries(sources).map(([path, text]) => new SourceFile(path, text))
}

function places(findings: readonly Finding[]): string[] {
  return findings.map(({ path, line }) => `${path}:${line}`)
}
