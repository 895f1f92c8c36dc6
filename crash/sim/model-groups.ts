/**
 * What a model knows of tables and of atomic groups. A table is a topic of one log whose values say
 * key and value; a group is a batch in each of several logs, all of them there or none.
 */
import type { LogModel, StoreModel } from './model.ts'

/** One change of a table, as it stands in a log's model: `key=value`, or `key` for a deletion. */
export type TableChange = { readonly key: string; readonly value: string | undefined }

export function textOfChange({ key, value }: TableChange): string {
  return value === undefined ? key : `${key}=${value}`
}

/** What a table holds after these changes, in the order of its keys. Keys are ASCII. */
export function contentAfter(changes: readonly string[]): [string, string][] {
  const content = new Map<string, string>()
  for (const text of changes) {
    const at = text.indexOf('=')
    if (at < 0) content.delete(text)
    else content.set(text.slice(0, at), text.slice(at + 1))
  }
  return [...content].sort(([one], [other]) => (one < other ? -1 : 1))
}

/** A log by names, so that it is found in every copy of a model, unless it was deleted. */
export type LogKey = { readonly topic: string; readonly id: string; readonly index: number }

/** What a group appended to one log, which ended at `end` then. */
export type GroupPart = LogKey & { readonly end: number }

/** A position that a group committed in a log it was made of. */
export type GroupCommit = LogKey & {
  readonly consumer: string
  readonly offset: number
  /** How often the log had been truncated: one more, and the position says nothing. */
  readonly truncations: number
}

export type Group = {
  readonly parts: readonly GroupPart[]
  readonly commits: readonly GroupCommit[]
}

/** A group of which no answer says whether it was written. */
export type UndecidedGroup = {
  readonly parts: readonly (LogKey & { readonly values: readonly string[] })[]
  readonly commits: readonly GroupCommit[]
}

/** Undefined when that log was deleted, or when nobody knows whether it was. */
export function logModelOf(model: StoreModel, { topic, id, index }: LogKey): LogModel | undefined {
  if (model.unsure.has(topic) || model.unsureTables.has(topic)) return undefined
  const known = model.topics.get(topic) ?? model.tables.get(topic)
  return known?.id === id ? known.logs[index] : undefined
}

/** From here on what stood at `end` and behind it in a log says nothing about its groups. */
export function severGroups(model: StoreModel, log: LogModel, end: number): void {
  model.groups = model.groups.map(({ parts, commits }) => ({
    parts: parts.filter((part) => part.end <= end || logModelOf(model, part) !== log),
    commits,
  }))
}
