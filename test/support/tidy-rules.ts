/**
 * The style rules that a machine can check. Each is a pure function from source files to what it
 * found wrong, so that test/tidy.test.ts can also show, with sources made in memory, that each
 * rule is able to fail.
 */
import { posix } from 'node:path'
import { type SourceFile, type SyntaxNode, walk } from './source-file.ts'

export type Finding = { path: string; line: number; message: string }

/** Floor name → rank. A file imports its own floor or one of a lower rank. */
export type FloorTable = ReadonlyMap<string, number>

export const maxFileLines = 500

/** The files of `src/` that users import; they name what is public and hold no logic. */
export function isEntry(path: string): boolean {
  return /^src\/public[^/]*\.ts$/.test(path)
}

/** Entries are above every floor but the highest, which may use them as any caller does. */
export function importsGoDown(files: readonly SourceFile[], floors: FloorTable): Finding[] {
  const findings: Finding[] = []
  const highest = Math.max(...floors.values())
  for (const file of sourcesOf(files)) {
    if (isEntry(file.path)) continue
    const rank = file.floor === undefined ? undefined : floors.get(file.floor)
    if (rank === undefined) {
      findings.push(found(file, 1, 'stands on no floor of the table in test/tidy.test.ts'))
      continue
    }
    for (const { specifier, line } of file.imports) {
      if (!isRelative(specifier)) continue
      const target = resolveImport(file, specifier)
      const targetFloor = /^src\/([^/]+)\//.exec(target)?.[1]
      const targetRank = targetFloor === undefined ? undefined : floors.get(targetFloor)
      if (targetFloor === file.floor || (isEntry(target) && rank === highest)) continue
      if (targetRank === undefined || targetRank >= rank) {
        findings.push(found(file, line, `imports ${target}, which is not on a lower floor`))
      }
    }
  }
  return findings
}

export function hasNoCycles(files: readonly SourceFile[]): Finding[] {
  const byPath = new Map(sourcesOf(files).map((file) => [file.path, file]))
  const findings: Finding[] = []
  const finished = new Set<string>()
  const visit = (file: SourceFile, trail: readonly string[]): void => {
    if (finished.has(file.path)) return
    for (const { specifier, line } of file.imports) {
      if (!isRelative(specifier)) continue
      const target = byPath.get(resolveImport(file, specifier))
      if (target === undefined) continue
      const start = [...trail, file.path].indexOf(target.path)
      if (start === -1) visit(target, [...trail, file.path])
      else {
        const cycle = [...trail.slice(start), file.path, target.path].join(' → ')
        findings.push(found(file, line, `closes an import cycle: ${cycle}`))
      }
    }
    finished.add(file.path)
  }
  for (const file of byPath.values()) visit(file, [])
  return findings
}

export function hasNoBarrels(files: readonly SourceFile[]): Finding[] {
  return sourcesOf(files)
    .filter((file) => !isEntry(file.path))
    .flatMap((file) => [
      ...(posix.basename(file.path) === 'index.ts'
        ? [found(file, 1, 'index.ts is a barrel name: import from the file that defines the thing')]
        : []),
      ...file.imports
        .filter((from) => from.reexport)
        .map((from) => found(file, from.line, `re-exports ${from.specifier}: only public*.ts may`)),
    ])
}

export function hasNoDefaultExports(files: readonly SourceFile[]): Finding[] {
  return findNodes(
    // A configuration file's default export is its tool's interface.
    files.filter((file) => file.isTypeScript && !file.path.endsWith('.config.ts')),
    (node) => node.type === 'ExportDefaultDeclaration',
    'default export: export by name',
  )
}

/** Modules of Node that only some places may import. */
export function importsOnlyFrom(
  files: readonly SourceFile[],
  modules: readonly string[],
  isAllowed: (path: string) => boolean,
): Finding[] {
  const banned = new Set(modules.flatMap((name) => [name, `node:${name}`]))
  return sourcesOf(files)
    .filter((file) => !isAllowed(file.path))
    .flatMap((file) =>
      file.imports
        .filter((from) => banned.has(from.specifier))
        .map((from) => found(file, from.line, `imports ${from.specifier} outside its floor`)),
    )
}

/** A global such as `process`, by name or as a property of `globalThis`, or its module. */
export function usesGlobalOnlyFrom(
  files: readonly SourceFile[],
  name: string,
  isAllowed: (path: string) => boolean,
): Finding[] {
  const checked = sourcesOf(files).filter((file) => !isAllowed(file.path))
  return [
    ...importsOnlyFrom(checked, [name], () => false),
    ...findNodes(
      checked,
      (node, parent) =>
        node.type === 'Identifier' && node['name'] === name && isValue(node, parent),
      `uses ${name}`,
    ),
  ]
}

export function staysShort(files: readonly SourceFile[]): Finding[] {
  return files
    .filter((file) => isCode(file.path))
    .filter((file) => file.text.split('\n').length - 1 > maxFileLines)
    .filter((file) => !/500 lines/.test(file.header))
    .map((file) => {
      const length = file.text.split('\n').length - 1
      return found(
        file,
        maxFileLines,
        `${length} lines: split it, or say in the header why past 500 lines it is still one thing`,
      )
    })
}

export function hasTellingNames(files: readonly SourceFile[]): Finding[] {
  return files
    .filter((file) => isCode(file.path))
    .flatMap((file) => {
      const stem = posix.basename(file.path).replace(/\..*$/, '')
      // N-API's own word for what it holds: argument checks and errors of every .cc file.
      if (file.path === 'native/napi_util.h') return []
      if (/(^|[-_])(utils?|helpers?|common|misc)$/i.test(stem)) {
        return [found(file, 1, `the name ${stem} says nothing: name it after its main export`)]
      }
      if (file.path.startsWith('src/') && stem === 'types' && file.floor !== 'base') {
        return [found(file, 1, 'types.ts stands only in base/: put a type beside what uses it')]
      }
      return []
    })
}

export function isErasable(files: readonly SourceFile[]): Finding[] {
  const isBanned = (node: SyntaxNode): boolean =>
    node.type === 'TSEnumDeclaration' ||
    node.type === 'TSParameterProperty' ||
    (node.type === 'TSModuleDeclaration' && node['kind'] === 'namespace')
  return findNodes(
    files.filter((file) => file.isTypeScript),
    isBanned,
    'enum, namespace or parameter property: TypeScript here only erases',
  )
}

export function leavesNothingToDo(files: readonly SourceFile[]): Finding[] {
  // Put together here, so that this file does not contain what it looks for.
  const marker = new RegExp(
    `\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].join('|')})\\b`,
  )
  return findText(
    files.filter((file) => isCode(file.path) || file.path.endsWith('.md')),
    marker,
    (match) => `${match} left behind: file an issue instead`,
  )
}

/** `.only` never; `.skip`, `.todo`, `.skipIf`, `.runIf` only with the reason in the test's name. */
export function skipsWithReason(files: readonly SourceFile[]): Finding[] {
  const findings: Finding[] = []
  for (const file of files.filter((f) => f.path.startsWith('test/') && f.isTypeScript)) {
    for (const { node } of walk(file.tree)) {
      if (node.type !== 'CallExpression') continue
      const name = textOf((node['arguments'] as SyntaxNode[])[0])
      const modifiers = testModifiers(node['callee'] as SyntaxNode)
      if (name === undefined || modifiers === undefined) continue
      const line = file.lineAt(node.start)
      if (modifiers.includes('only')) findings.push(found(file, line, 'runs only this test'))
      const skipping = modifiers.find((modifier) => skippingModifiers.has(modifier))
      if (skipping !== undefined && !/\[[^\]]+\]$|\s[—–-]\s+\S/.test(name)) {
        findings.push(
          found(file, line, `.${skipping} without a reason at the end of the name: "… [why]"`),
        )
      }
    }
  }
  return findings
}

const skippingModifiers = new Set(['skip', 'todo', 'skipIf', 'runIf'])
const testFunctions = new Set(['it', 'test', 'describe', 'suite'])

/** `it.skipIf(x).each(y)` gives `['each', 'skipIf']`; what is no test function, undefined. */
function testModifiers(callee: SyntaxNode): string[] | undefined {
  const modifiers: string[] = []
  for (let node = callee; ; ) {
    if (node.type === 'Identifier') {
      return testFunctions.has(String(node['name'])) ? modifiers : undefined
    }
    if (node.type === 'MemberExpression') {
      modifiers.push(String((node['property'] as SyntaxNode)['name']))
      node = node['object'] as SyntaxNode
    } else if (node.type === 'CallExpression') node = node['callee'] as SyntaxNode
    else if (node.type === 'TaggedTemplateExpression') node = node['tag'] as SyntaxNode
    else return undefined
  }
}

/** The text of a string or template literal, with placeholders as `…`. */
function textOf(node: SyntaxNode | undefined): string | undefined {
  if (node?.type === 'Literal' && typeof node['value'] === 'string') return node['value']
  if (node?.type !== 'TemplateLiteral') return undefined
  const quasis = node['quasis'] as { value: { raw: string } }[]
  return quasis.map((quasi) => quasi.value.raw).join('…')
}

/** Paths, hosts and folders that exist on one machine only. */
export function namesNoMachine(files: readonly SourceFile[]): Finding[] {
  const machinePath = /(?<![\w.\-}*])\/(?:work|home|root|Users)\/[\w.]/
  const registryHost = /"resolved": "https?:|^(?:@[\w-]+:)?registry\s*=|\bregistry\.[a-z]+\.[a-z]/m
  const outside = new RegExp(`\\.\\./${'sha' + 'red'}\\b`)
  return [
    ...findText(files, machinePath, (match) => `path of one machine: ${match}`),
    ...findText(files, registryHost, (match) => `names a registry: ${match.trim()}`),
    ...findText(files, outside, (match) => `${match} is outside the repository`),
  ]
}

export function importsCarryExtension(files: readonly SourceFile[]): Finding[] {
  return files
    .filter((file) => file.isTypeScript)
    .flatMap((file) =>
      file.imports
        .filter((from) => isRelative(from.specifier) && !/\.(ts|mjs|json)$/.test(from.specifier))
        .map((from) => found(file, from.line, `import ${from.specifier} lacks its extension .ts`)),
    )
}

/** A test stands where its source stands; one that covers several opens with a comment on them. */
export function testsMirrorSources(files: readonly SourceFile[], floors: FloorTable): Finding[] {
  const paths = new Set(files.map((file) => file.path))
  return files.flatMap((file) => {
    const [, folder, stem] = /^test\/([^/]+)\/(.+)\.test\.ts$/.exec(file.path) ?? []
    if (folder === undefined || stem === undefined) return []
    if (otherTestFolders.has(folder)) return []
    if (!floors.has(folder)) return [found(file, 1, `test/${folder} is neither a floor nor known`)]
    if (paths.has(`src/${folder}/${stem}.ts`)) return []
    const opening = file.text.split('\n', openingLines).join('\n')
    if (/^\s*(\/\/|\/\*)/m.test(opening)) return []
    return [
      found(file, 1, `no src/${folder}/${stem}.ts: open the file with a comment on what it covers`),
    ]
  })
}

/** How far down a test file's opening comment may stand: its imports may come first. */
const openingLines = 50

const otherTestFolders = new Set([
  'conformance',
  'contract',
  'crash',
  'fuzz',
  'interop',
  'peers',
  'support',
  'types',
])

/** Codes of the union `LogErrorCode` and the class that carries each, from src/base/errors.ts. */
export function errorCodes(
  errors: SourceFile,
): { code: string; classes: string[]; line: number }[] {
  const classesOf = new Map<string, string[]>()
  const codes: { code: string; line: number }[] = []
  for (const { node, parent } of walk(errors.tree)) {
    if (node.type === 'TSTypeAliasDeclaration' && nameOf(node['id']) === 'LogErrorCode') {
      for (const { node: part } of walk(node)) {
        if (part.type === 'Literal')
          codes.push({ code: String(part['value']), line: errors.lineAt(part.start) })
      }
    }
    if (node.type !== 'ClassBody') continue
    for (const member of node['body'] as SyntaxNode[]) {
      const value = member['value'] as SyntaxNode | null
      if (nameOf(member['key']) !== 'code' || value?.type !== 'Literal') continue
      const code = String(value['value'])
      classesOf.set(code, [...(classesOf.get(code) ?? []), nameOf(parent?.['id'])])
    }
  }
  return codes
    .map(({ code, line }) => ({ code, line, classes: classesOf.get(code) ?? [] }))
    .sort((a, b) => a.line - b.line)
}

/** Each code: one class, one line in docs/errors.md, named (or its class) in a test. */
export function errorsAreDocumentedAndTested(files: readonly SourceFile[]): Finding[] {
  const errors = files.find((file) => file.path === 'src/base/errors.ts')
  if (errors === undefined) return []
  const document = files.find((file) => file.path === 'docs/errors.md')?.text ?? ''
  const tests = files
    .filter((file) => /^test\/.*\.ts$/.test(file.path) && !/\/tidy/.test(file.path))
    .map((file) => file.text)
    .join('\n')
  return errorCodes(errors).flatMap(({ code, classes, line }) => {
    const findings: Finding[] = []
    if (classes.length !== 1) {
      findings.push(found(errors, line, `${code} has ${classes.length} classes instead of one`))
    }
    const lines = document.split('\n').filter((text) => text.includes(`\`${code}\``))
    if (!lines.some((text) => classes.every((name) => text.includes(name)))) {
      findings.push(found(errors, line, `${code} has no line with its class in docs/errors.md`))
    }
    if (![code, ...classes].some((name) => new RegExp(`\\b${name}\\b`).test(tests))) {
      findings.push(found(errors, line, `no test names ${code} or its class`))
    }
    return findings
  })
}

function nameOf(node: unknown): string {
  const name = (node as { name?: unknown } | null | undefined)?.name
  return typeof name === 'string' ? name : ''
}

/** Whether an identifier stands for a value: not a key, a member's name or a type's field. */
function isValue(node: SyntaxNode, parent: SyntaxNode | undefined): boolean {
  if (parent === undefined) return true
  if (parent.type === 'MemberExpression' && parent['property'] === node) {
    return parent['computed'] === true || nameOf(parent['object']) === 'globalThis'
  }
  if (parent['key'] === node) return parent['computed'] === true || parent['shorthand'] === true
  return true
}

function sourcesOf(files: readonly SourceFile[]): SourceFile[] {
  return files.filter((file) => file.path.startsWith('src/') && file.isTypeScript)
}

function isCode(path: string): boolean {
  if (path.startsWith('test/fixtures/')) return false
  return /\.(ts|mjs|js|cc|h)$/.test(path) || path === '.ci/run'
}

function isRelative(specifier: string): boolean {
  return specifier.startsWith('./') || specifier.startsWith('../')
}

function resolveImport(file: SourceFile, specifier: string): string {
  return posix.join(posix.dirname(file.path), specifier)
}

function findNodes(
  files: readonly SourceFile[],
  matches: (node: SyntaxNode, parent: SyntaxNode | undefined) => boolean,
  message: string,
): Finding[] {
  const findings: Finding[] = []
  for (const file of files) {
    for (const { node, parent } of walk(file.tree)) {
      if (matches(node, parent)) findings.push(found(file, file.lineAt(node.start), message))
    }
  }
  return findings
}

function findText(
  files: readonly SourceFile[],
  pattern: RegExp,
  message: (match: string) => string,
): Finding[] {
  const findings: Finding[] = []
  for (const file of files) {
    if (!pattern.test(file.text)) continue
    for (const [index, line] of file.text.split('\n').entries()) {
      const match = pattern.exec(line)
      if (match !== null) findings.push(found(file, index + 1, message(match[0])))
    }
  }
  return findings
}

function found(file: SourceFile, line: number, message: string): Finding {
  return { path: file.path, line, message }
}
