/**
 * A source file as the tidy rules see it: path, text, lines, and the syntax tree with what the
 * rules ask of it. The parser is vite's (oxc), which comes with vitest; positions in the tree are
 * UTF-16 indexes into the text.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseAst } from 'vitest/node'

/** Any node of an ESTree; children are found by looking at every field. */
export type SyntaxNode = { type: string; start: number; end: number; [field: string]: unknown }

/** `specifier` as written; `reexport` for `export … from`. */
export type ImportOf = { specifier: string; line: number; reexport: boolean; typeOnly: boolean }

export class SourceFile {
  /** Relative to the repository, `/`-separated. */
  readonly path: string
  readonly text: string
  #tree: SyntaxNode | undefined
  #imports: ImportOf[] | undefined

  constructor(path: string, text: string) {
    this.path = path
    this.text = text
  }

  /** First segment below src/, such as `record`; undefined for other files and src/public*.ts. */
  get floor(): string | undefined {
    return /^src\/([^/]+)\//.exec(this.path)?.[1]
  }

  get isTypeScript(): boolean {
    return this.path.endsWith('.ts')
  }

  get tree(): SyntaxNode {
    this.#tree ??= parseAst(this.text, { lang: 'ts' }, this.path) as unknown as SyntaxNode
    return this.#tree
  }

  /** The comment that the file opens with, or '' when it opens with code. */
  get header(): string {
    const opening = /^(?:#![^\n]*\n)?\s*(?:\/\*[\s\S]*?\*\/|(?:(?:\/\/|#)[^\n]*\n\s*)+)/.exec(
      this.text,
    )
    return opening?.[0] ?? ''
  }

  /** 1-based line of a UTF-16 index. */
  lineAt(index: number): number {
    let line = 1
    for (let at = this.text.indexOf('\n'); at !== -1 && at < index; ) {
      line++
      at = this.text.indexOf('\n', at + 1)
    }
    return line
  }

  /** Every import, re-export, `import()` and import type with a literal specifier. */
  get imports(): ImportOf[] {
    this.#imports ??= this.#findImports()
    return this.#imports
  }

  #findImports(): ImportOf[] {
    const found: ImportOf[] = []
    for (const { node } of walk(this.tree)) {
      if (!importTypes.has(node.type)) continue
      const source = node['source'] as { value?: unknown } | null | undefined
      if (typeof source?.value !== 'string') continue
      const kind = node['importKind'] ?? node['exportKind']
      found.push({
        specifier: source.value,
        line: this.lineAt(node.start),
        reexport: node.type.startsWith('Export'),
        typeOnly: kind === 'type' || node.type === 'TSImportType',
      })
    }
    return found
  }
}

const importTypes = new Set([
  'ImportDeclaration',
  'ImportExpression',
  'ExportNamedDeclaration',
  'ExportAllDeclaration',
  'TSImportType',
])

/** Every node below and including `root`, in source order, parents first, each with the node that holds it. */
export function* walk(
  root: SyntaxNode,
): Generator<{ node: SyntaxNode; parent: SyntaxNode | undefined }> {
  const stack: { node: SyntaxNode; parent: SyntaxNode | undefined }[] = [
    { node: root, parent: undefined },
  ]
  for (let entry = stack.pop(); entry !== undefined; entry = stack.pop()) {
    yield entry
    const children = Object.values(entry.node).flat().filter(isNode)
    for (const child of children.reverse()) stack.push({ node: child, parent: entry.node })
  }
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value
}

/** Every text file of the repository that git knows or would add, generated ones left out. */
export function readRepository(root: string): SourceFile[] {
  const listing = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 16 * 1024 * 1024,
  })
  const files: SourceFile[] = []
  for (const path of listing.split('\0')) {
    const full = join(root, path)
    // A file deleted but not yet committed is still listed.
    if (path === '' || !existsSync(full) || !statSync(full).isFile()) continue
    const bytes = readFileSync(full)
    if (bytes.includes(0)) continue // binary: a fixture
    files.push(new SourceFile(path, bytes.toString('utf8')))
  }
  return files
}
