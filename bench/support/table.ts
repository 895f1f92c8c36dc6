/** Prints rows of equal fields as a table: names left, figures right, three significant digits. */
export function printTable(rows: readonly Record<string, unknown>[]): void {
  const fields = Object.keys(rows[0] ?? {})
  const lines = [fields, ...rows.map((row) => fields.map((field) => cell(row[field])))]
  const widths = fields.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  for (const line of lines) {
    const cells = line.map((text, column) =>
      column === 0 ? text.padEnd(widths[column]!) : text.padStart(widths[column]!),
    )
    console.log(cells.join('  ').trimEnd())
  }
}

function cell(value: unknown): string {
  return typeof value === 'number' ? figure(value) : String(value ?? '')
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
