/**
 * Names of the simulated disk: the tree as every process sees it, and which changes of it are on
 * stable storage. Changes wait, in order, until `sync` of a directory they touch; a crash keeps
 * none, all, the first few, or any of those that wait. A rename is atomic in all of them.
 */
import { SimContent } from './sim-content.ts'
import { simFailure } from './sim-failure.ts'
import type { SimRandom } from './sim-random.ts'

export class SimFileNode {
  readonly kind = 'file'
  content = new SimContent()
  modifiedMs = 0
  /** Where the blocks end that were reserved. */
  reservedBytes = 0
  /** Names plus open `File`s: its space is free when this reaches 0. */
  references = 0

  /** What it takes of the disk. */
  get spaceBytes(): number {
    return Math.max(this.content.sizeBytes, this.reservedBytes)
  }
}

export class SimDirectoryNode {
  readonly kind = 'directory'
  readonly entries = new Map<string, SimNode>()
  readonly durableEntries = new Map<string, SimNode>()
  modifiedMs = 0
}

export type SimNode = SimFileNode | SimDirectoryNode

type Place = { readonly directory: SimDirectoryNode; readonly name: string }

/** One atomic change of names; a rename has both parts. */
type NameChange = {
  readonly removed: Place | undefined
  readonly added: (Place & { readonly node: SimNode }) | undefined
}

export type NamesChoice = 'none' | 'all' | 'first-few' | 'any'

export class SimTree {
  readonly root = new SimDirectoryNode()
  #changes: NameChange[] = []

  add(place: Place, node: SimNode): void {
    this.#apply({ removed: undefined, added: { ...place, node } })
  }

  remove(place: Place): void {
    this.#apply({ removed: place, added: undefined })
  }

  move(source: Place, target: Place): void {
    const node = source.directory.entries.get(source.name)!
    this.#apply({ removed: source, added: { ...target, node } })
  }

  /** Makes the names of `directory` durable, and with a rename both of its ends. */
  sync(directory: SimDirectoryNode): void {
    const synced = new Set([directory])
    const kept: NameChange[] = []
    const persisted: NameChange[] = []
    for (const change of this.#changes.toReversed()) {
      const touched = directoriesOf(change)
      if (touched.some((one) => synced.has(one))) {
        for (const one of touched) synced.add(one)
        persisted.push(change)
      } else {
        kept.push(change)
      }
    }
    for (const change of persisted.toReversed()) applyTo(durableEntriesOf, change)
    this.#changes = kept.toReversed()
  }

  /** Makes every name durable: a disk that has been used before. */
  syncAll(): void {
    for (const change of this.#changes) applyTo(durableEntriesOf, change)
    this.#changes = []
  }

  /** The same state in new nodes, changes that wait included. `content` copies each file's. */
  clone(content: (node: SimFileNode) => SimContent): SimTree {
    const copy = new SimTree()
    const copies = new Map<SimNode, SimNode>([[this.root, copy.root]])
    const copyOf = (node: SimNode): SimNode => {
      const known = copies.get(node)
      if (known !== undefined) return known
      const made = node.kind === 'file' ? copyFile(node, content) : new SimDirectoryNode()
      copies.set(node, made)
      if (node.kind === 'directory') fill(node, made as SimDirectoryNode)
      // After a loss of power nobody knows whether they are there.
      else (made as SimFileNode).reservedBytes = node.reservedBytes
      return made
    }
    const fill = (source: SimDirectoryNode, target: SimDirectoryNode) => {
      target.modifiedMs = source.modifiedMs
      for (const [name, node] of source.entries) target.entries.set(name, copyOf(node))
      for (const [name, node] of source.durableEntries) {
        target.durableEntries.set(name, copyOf(node))
      }
    }
    const placeOf = ({ directory, name }: Place): Place => ({
      directory: copyOf(directory) as SimDirectoryNode,
      name,
    })
    fill(this.root, copy.root)
    copy.#changes = this.#changes.map(({ removed, added }) => ({
      removed: removed && placeOf(removed),
      added: added && { ...placeOf(added), node: copyOf(added.node) },
    }))
    return copy
  }

  /** The tree after a crash, all of it on stable storage. `content` says what each file holds. */
  afterCrash(
    choice: NamesChoice,
    random: SimRandom,
    content: (node: SimFileNode) => SimContent,
  ): SimTree {
    const survivors = new Map<SimDirectoryNode, Map<string, SimNode>>()
    const entriesOf = (directory: SimDirectoryNode) => {
      let entries = survivors.get(directory)
      if (entries === undefined) {
        entries = new Map(directory.durableEntries)
        survivors.set(directory, entries)
      }
      return entries
    }
    for (const change of chooseChanges(this.#changes, choice, random)) applyTo(entriesOf, change)

    const copy = new SimTree()
    const copies = new Map<SimNode, SimNode>()
    const build = (source: SimDirectoryNode, target: SimDirectoryNode) => {
      copies.set(source, target)
      target.modifiedMs = source.modifiedMs
      for (const [name, node] of entriesOf(source)) {
        let made = copies.get(node)
        if (made === undefined && node.kind === 'directory') {
          made = new SimDirectoryNode()
          build(node, made)
        } else if (made === undefined) {
          made = copyFile(node as SimFileNode, content)
          copies.set(node, made)
        }
        target.entries.set(name, made!)
        target.durableEntries.set(name, made!)
      }
    }
    build(this.root, copy.root)
    return copy
  }

  /** What stands at `path`, or undefined. */
  find(path: string): SimNode | undefined {
    let node: SimNode | undefined = this.root
    for (const name of namesOf(path)) {
      if (node?.kind !== 'directory') return undefined
      node = node.entries.get(name)
    }
    return node
  }

  /** The directory that `path` has its name in; throws StorageError when there is none. */
  parent(operation: string, path: string): Place {
    const names = namesOf(path)
    const name = names.pop()
    if (name === undefined) throw simFailure(operation, path, 'EBUSY')
    let node: SimNode = this.root
    for (const step of names) {
      if (node.kind !== 'directory') throw simFailure(operation, path, 'ENOTDIR')
      const next: SimNode | undefined = node.entries.get(step)
      if (next === undefined) throw simFailure(operation, path, 'ENOENT')
      node = next
    }
    if (node.kind !== 'directory') throw simFailure(operation, path, 'ENOTDIR')
    return { directory: node, name }
  }

  /** The file at `path`; throws StorageError when there is none. */
  file(operation: string, path: string): SimFileNode {
    const node = this.find(path)
    if (node === undefined) throw simFailure(operation, path, 'ENOENT')
    if (node.kind === 'directory') throw simFailure(operation, path, 'EISDIR')
    return node
  }

  /** The directory at `path`; throws StorageError when there is none. */
  directory(operation: string, path: string): SimDirectoryNode {
    const node = this.find(path)
    if (node === undefined) throw simFailure(operation, path, 'ENOENT')
    if (node.kind === 'file') throw simFailure(operation, path, 'ENOTDIR')
    return node
  }

  /** Every file that has a name, once. */
  files(): Set<SimFileNode> {
    const found = new Set<SimFileNode>()
    const visit = (directory: SimDirectoryNode) => {
      for (const node of directory.entries.values()) {
        if (node.kind === 'file') found.add(node)
        else visit(node)
      }
    }
    visit(this.root)
    return found
  }

  /** Files that a crash may bring back: named now, or named durably. */
  recoverableFiles(): Set<SimFileNode> {
    const found = this.files()
    const visited = new Set<SimDirectoryNode>()
    const visit = (node: SimNode) => {
      if (node.kind === 'file') found.add(node)
      else if (!visited.has(node)) {
        visited.add(node)
        for (const entry of node.durableEntries.values()) visit(entry)
        for (const entry of node.entries.values()) visit(entry)
      }
    }
    visit(this.root)
    for (const { added } of this.#changes) if (added !== undefined) visit(added.node)
    return found
  }

  #apply(change: NameChange): void {
    applyTo((directory) => directory.entries, change)
    this.#changes.push(change)
  }
}

function directoriesOf({ removed, added }: NameChange): SimDirectoryNode[] {
  const places = [removed, added].filter((place) => place !== undefined)
  return places.map((place) => place.directory)
}

function durableEntriesOf(directory: SimDirectoryNode): Map<string, SimNode> {
  return directory.durableEntries
}

function applyTo(
  entriesOf: (directory: SimDirectoryNode) => Map<string, SimNode>,
  { removed, added }: NameChange,
): void {
  if (removed !== undefined) entriesOf(removed.directory).delete(removed.name)
  if (added !== undefined) entriesOf(added.directory).set(added.name, added.node)
}

function chooseChanges(
  changes: readonly NameChange[],
  choice: NamesChoice,
  random: SimRandom,
): readonly NameChange[] {
  if (choice === 'all') return changes
  if (choice === 'first-few') return changes.slice(0, random.below(changes.length + 1))
  if (choice === 'any') return changes.filter(() => random.chance(0.5))
  return []
}

function copyFile(node: SimFileNode, content: (node: SimFileNode) => SimContent): SimFileNode {
  const copy = new SimFileNode()
  copy.content = content(node)
  copy.modifiedMs = node.modifiedMs
  return copy
}

/** The names along a path, `.` and `..` resolved; relative paths start at the root. */
export function namesOf(path: string): string[] {
  const names: string[] = []
  for (const name of path.split('/')) {
    if (name === '..') names.pop()
    else if (name !== '' && name !== '.') names.push(name)
  }
  return names
}
