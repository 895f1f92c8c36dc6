/** The demo's input: lines of real files, as bytes, in file order. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'

/** One line, without its end of line. `file` is the record's key. */
export type SourceLine = {
  readonly file: Buffer
  readonly fileIndex: number
  readonly text: Buffer
}

const wantedFiles = /\.(js|ts|md)$/
const endOfLine = 0x0a

/** All `.js`, `.ts` and `.md` files below `folder`, sorted, so that every run takes the same. */
export function findFiles(folder: string): string[] {
  if (statSync(folder, { throwIfNoEntry: false }) === undefined) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && wantedFiles.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

/** Lines of the files, one file after the other, at most `maxLines`. */
export function readLines(paths: readonly string[], maxLines: number): SourceLine[] {
  const lines: SourceLine[] = []
  paths.forEach((path, fileIndex) => {
    if (lines.length >= maxLines) return
    const bytes = readFileSync(path)
    const file = Buffer.from(relative('.', path))
    for (let start = 0; start < bytes.length && lines.length < maxLines; ) {
      const found = bytes.indexOf(endOfLine, start)
      const end = found < 0 ? bytes.length : found
      lines.push({ file, fileIndex, text: bytes.subarray(start, end) })
      start = end + 1
    }
  })
  return lines
}
