/** What a workload is: a file of workloads/ that exports one of these. */
import type { Target } from '../support/target.ts'
import type { CompareBench } from './compare-bench.ts'
import type { WorkloadId } from './names.ts'
import type { Row } from './row.ts'

export type Workload = {
  readonly id: WorkloadId
  readonly title: string
  run(bench: CompareBench): Promise<Row[]>
  /** Of rows of this workload; one whose figures are missing is neither met nor missed. */
  targets(rows: readonly Row[]): Target[]
}

/** For `targets`: the rows that `what` names, once for each way of pinning there is. */
export function eachPinning(
  rows: readonly Row[],
  work: (rows: readonly Row[], suffix: string) => Target[],
): Target[] {
  return [true, false].flatMap((pinned) => {
    const some = rows.filter((row) => row.pinned === pinned)
    return some.length === 0 ? [] : work(some, pinned ? ', pinned' : ', unpinned')
  })
}
