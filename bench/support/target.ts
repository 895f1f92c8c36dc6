/** What the figures must reach, and whether they do. */
import { figure, printTable } from './table.ts'

export type Target = {
  readonly what: string
  readonly found: number
  readonly bound: number
  readonly isUpperBound: boolean
  /** What stands behind the figure: `×`, `ms` … */
  readonly unit: string
  /** What the figure was taken from. */
  readonly from: string
}

type Taken = { readonly unit?: string; readonly from: string }

/** `found` must not exceed `bound`. */
export function atMost(what: string, found: number, bound: number, taken: Taken): Target {
  return { what, found, bound, isUpperBound: true, unit: taken.unit ?? '×', from: taken.from }
}

/** `found` must reach `bound`. */
export function atLeast(what: string, found: number, bound: number, taken: Taken): Target {
  return { what, found, bound, isUpperBound: false, unit: taken.unit ?? '×', from: taken.from }
}

/** `–` where there is no figure (NaN): then the target is neither met nor missed. */
export function verdict({ found, bound, isUpperBound }: Target): '✓' | '✗' | '–' {
  if (Number.isNaN(found)) return '–'
  return (isUpperBound ? found <= bound : found >= bound) ? '✓' : '✗'
}

export function printTargets(targets: readonly Target[]): void {
  printTable(
    targets.map((target) => ({
      target: `${verdict(target)} ${target.what}`,
      wanted: `${target.isUpperBound ? '≤' : '≥'} ${target.bound} ${target.unit}`,
      found: `${target.found >= 10 ? figure(target.found) : target.found.toFixed(2)} ${target.unit}`,
      'out of': target.from,
    })),
  )
}
