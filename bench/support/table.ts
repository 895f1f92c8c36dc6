/**
 * Prints rows of equal fields as a table: names left, figures right, three significant digits. A
 * value `{ text }` is left-aligned too: a bar.
 */
export function printTable(rows: readonly Record<string, unknown>[]): void {
  const fields = Object.keys(rows[0] ?? {})
  const lines = [fields, ...rows.map((row) => fields.map((field) => cell(row[field])))]
  const widths = fields.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  const isLeft = fields.map((field, column) => column === 0 || isText(rows[0]![field]))
  for (const line of lines) {
    const cells = line.map((text, column) =>
      isLeft[column] ? text.padEnd(widths[column]!) : text.padStart(widths[column]!),
    )
    console.log(cells.join('  ').trimEnd())
  }
}

function cell(value: unknown): string {
  if (isText(value)) return value.text
  return typeof value === 'number' ? figure(value) : String(value ?? '')
}

function isText(value: unknown): value is { text: string } {
  return typeof value === 'object' && value !== null && 'text' in value
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** A bar of `value` out of `largest`, as wide as `width` characters at most; a value above 0 shows. */
export function bar(value: number, largest: number, width = 24): string {
  if (!(value > 0 && largest > 0)) return ''
  const units = Math.max(1, Math.round((Math.min(value, largest) / largest) * width * 8))
  return '█'.repeat(units >>> 3) + eighths[units & 7]!
}

/** `1234567` → `1.23 M`, `0.01234` → `0.0123`. */
export function figure(value: number): string {
  const size = Math.abs(value)
  if (size >= 999_500) return `${significant(value / 1e6)} M`
  if (size >= 9_995) return `${significant(value / 1e3)} k`
  return significant(value)
}

function significant(value: number): string {
  const size = Math.abs(value)
  if (size === 0 || size >= 99.95) return value.toFixed(0)
  return value.toPrecision(3)
}
