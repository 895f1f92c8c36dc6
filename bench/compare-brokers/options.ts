/** Arguments of `npm run bench:compare`. */
import { type PeerName, peerNames, type WorkloadId, workloadIds } from './names.ts'

export type CompareOptions = {
  readonly workloads: readonly WorkloadId[]
  /** Beside stratalog, which is always there. */
  readonly peers: readonly PeerName[]
  readonly rounds: number
  /** Of the sizes; 1 is full size. */
  readonly scale: number
  /** Server on core 0 and client on core 1, both left to the scheduler, or one after the other. */
  readonly pinning: readonly boolean[]
  /** What the server holds when it is killed in W9. */
  readonly recoveryGb: number
}

export const usage =
  '[--only W2,W4] [--peers kafka,rocketmq] [--rounds <n>] [--quick] [--scale <share>] [--recovery-gb <n>] [--pinned | --unpinned]'

const full = { rounds: 5, scale: 1, recoveryGb: 4 }
const quick = { rounds: 2, scale: 0.2, recoveryGb: 0.5 }

/** Throws, with the usage, on anything it does not know. Later arguments win. */
export function parseCompareOptions(args: readonly string[]): CompareOptions {
  let options: CompareOptions = {
    workloads: workloadIds,
    peers: peerNames,
    pinning: [true, false],
    ...full,
  }
  const left = [...args]
  for (let name = left.shift(); name !== undefined; name = left.shift()) {
    if (name === '--quick') options = { ...options, ...quick, pinning: [true] }
    else if (name === '--pinned') options = { ...options, pinning: [true] }
    else if (name === '--unpinned') options = { ...options, pinning: [false] }
    else options = { ...options, ...withValue(name, left.shift()) }
  }
  return options
}

function withValue(name: string, value: string | undefined): Partial<CompareOptions> {
  const read = readers[name]
  if (read === undefined) throw new Error(`unknown argument ${name}: expected ${usage}`)
  if (value === undefined) throw new Error(`${name} has no value: expected ${usage}`)
  return read(name, value)
}

const readers: Readonly<Record<string, (name: string, value: string) => Partial<CompareOptions>>> =
  {
    '--only': (name, value) => ({ workloads: namesIn(name, value, workloadIds) }),
    '--peers': (name, value) => ({ peers: namesIn(name, value, peerNames) }),
    '--rounds': (name, value) => ({ rounds: Math.ceil(positive(name, value)) }),
    '--scale': (name, value) => ({ scale: positive(name, value) }),
    '--recovery-gb': (name, value) => ({ recoveryGb: positive(name, value) }),
  }

function namesIn<T extends string>(name: string, value: string, known: readonly T[]): T[] {
  return value.split(',').map((text) => {
    const found = known.find((one) => one.toLowerCase() === text.trim().toLowerCase())
    if (found === undefined) throw new Error(`${name} ${text}: expected ${known.join(', ')}`)
    return found
  })
}

function positive(name: string, value: string): number {
  const number = Number(value)
  if (!(number > 0 && number < 1e6)) throw new Error(`${name} ${value}: expected a number above 0`)
  return number
}
