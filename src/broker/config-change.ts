/**
 * Changes of settings as the two APIs ask for them: AlterConfigs replaces all that a resource sets
 * itself, IncrementalAlterConfigs changes some of it. All changes of one resource are made
 * together or not at all. Of a broker's settings the defaults of topics can be changed while it
 * runs, and those that are only kept: for this broker, or for all of the cluster.
 */
import { InvalidOptionError } from '../base/errors.ts'
import { type ErrorCode, errorCodes } from '../protocol/error-codes.ts'
import { type ConfigDefinition, listItems } from '../store/config-definition.ts'
import {
  brokerConfigDefinition,
  TopicConfig,
  topicConfigDefinition,
} from '../store/topic-config.ts'
import type { Defaults, DefaultsScope } from '../store/topic-defaults.ts'
import type { BrokerEnvironment } from './broker-environment.ts'
import { warnOfCompaction } from './compaction-notice.ts'
import { errorMessageOf } from './error-mapping.ts'
import { type IdleDefinition, idleDefinition, idleFault } from './idle-broker-config.ts'
import type { StorageFaults } from './storage-faults.ts'

/** Kinds of resources that have settings, as the protocol numbers them. */
export const configResources = { topic: 2, broker: 4 } as const

export type ConfigResource = { readonly resourceType: number; readonly resourceName: string }

export type ConfigChange = {
  readonly name: string
  readonly operation: number
  readonly value: string | null
}

export type ChangeResult = {
  readonly errorCode: ErrorCode
  readonly errorMessage: string | null
  readonly resourceType: number
  readonly resourceName: string
}

/** How the changes of one resource are made. */
type Manner = { readonly validateOnly: boolean; readonly replacesAll: boolean }

export const operations = { set: 0, delete: 1, append: 2, subtract: 3 } as const

/** A change that cannot be made, with the code that says why. */
class RefusedChangeError extends Error {
  override readonly name = 'RefusedChangeError'
  readonly errorCode: ErrorCode

  constructor(errorCode: ErrorCode, reason: string) {
    super(reason)
    this.errorCode = errorCode
  }
}

/** Makes the changes of one resource, or only checks them. Never rejects with an operating error. */
export async function changeConfig(
  broker: BrokerEnvironment,
  resource: ConfigResource,
  changes: readonly ConfigChange[],
  how: Manner,
): Promise<ChangeResult> {
  const { resourceType, resourceName } = resource
  try {
    checkOnce(changes)
    if (resourceType === configResources.topic) {
      await changeTopic(broker, resourceName, changes, how)
    } else if (resourceType === configResources.broker) {
      await changeBroker(broker, resourceName, changes, how)
    } else {
      const reason = `resource type ${resourceType} has no settings that can be changed`
      throw new RefusedChangeError(errorCodes.invalidRequest, reason)
    }
    return { errorCode: errorCodes.none, errorMessage: null, resourceType, resourceName }
  } catch (error) {
    return refuse(resource, codeOf(broker.faults, error), errorMessageOf(error))
  }
}

export function refuse(
  { resourceType, resourceName }: ConfigResource,
  errorCode: ErrorCode,
  errorMessage: string,
): ChangeResult {
  return { errorCode, errorMessage, resourceType, resourceName }
}

/** Whether a request names this resource more than once. */
export function isRepeated(
  resources: readonly ConfigResource[],
  resource: ConfigResource,
): boolean {
  return resources.some(
    (other) =>
      other !== resource &&
      other.resourceType === resource.resourceType &&
      other.resourceName === resource.resourceName,
  )
}

async function changeTopic(
  broker: BrokerEnvironment,
  name: string,
  changes: readonly ConfigChange[],
  { validateOnly, replacesAll }: Manner,
): Promise<void> {
  const { store, logger } = broker
  const topic = store.topic(name)
  if (topic === undefined) {
    throw new RefusedChangeError(errorCodes.unknownTopicOrPartition, 'there is no such topic')
  }
  if (topic.isInternal) {
    throw new RefusedChangeError(errorCodes.invalidTopicException, 'the topic is internal')
  }
  const change = (config: Defaults): Defaults =>
    changed(replacesAll ? {} : config, changes, topicNaming, store.topicConfig(config))
  if (validateOnly) {
    store.topicConfig(change(topic.config.overrides))
    return
  }
  await store.alterTopicConfig(name, change)
  logger.info({ topic: name, config: topic.config.overrides }, 'topic settings changed')
  warnOfCompaction(logger, topic)
}

type Naming = {
  /** What a name in the request means; undefined when there is no such setting. */
  readonly definitionOf: (name: string) => ConfigDefinition | undefined
  /** Says no to a name there is not. */
  readonly refusal: (name: string) => RefusedChangeError
}

const topicNaming: Naming = {
  definitionOf: topicConfigDefinition,
  refusal: (name) =>
    new RefusedChangeError(errorCodes.invalidConfig, `${name} is no topic setting`),
}

const brokerNaming: Naming = {
  definitionOf: brokerConfigDefinition,
  refusal: (name) => {
    const reason = `${name} is no setting of a broker that can be changed while it runs`
    return new RefusedChangeError(errorCodes.invalidRequest, reason)
  },
}

/**
 * @param from    what is set now, under the names of topics, as is what comes back.
 * @param current settings to which items of a list are added, or from which they are taken.
 */
function changed(
  from: Defaults,
  changes: readonly ConfigChange[],
  { definitionOf, refusal }: Naming,
  current: TopicConfig,
): Defaults {
  const to: Record<string, string> = { ...from }
  for (const change of changes) {
    const { name: asked, operation } = change
    const definition = definitionOf(asked)
    // Also of a setting that is not known: tools take away what Kafka might have.
    if (operation === operations.delete) {
      if (definition !== undefined) delete to[definition.name]
      continue
    }
    if (definition === undefined) throw refusal(asked)
    const value = givenValue(change)
    const { name, type } = definition
    if (operation === operations.set) to[name] = value
    else if (type !== 'list') throw noList(asked)
    else to[name] = listAfter(listItems(current.get(name)), listItems(value), operation)
  }
  return to
}

function givenValue({ name, value }: ConfigChange): string {
  if (value !== null) return value
  throw new RefusedChangeError(errorCodes.invalidRequest, `${name} is null`)
}

function noList(name: string): RefusedChangeError {
  const reason = `${name} is no list: items can neither be added nor taken away`
  return new RefusedChangeError(errorCodes.invalidConfig, reason)
}

function listAfter(items: readonly string[], asked: readonly string[], operation: number): string {
  if (operation === operations.append) return [...new Set([...items, ...asked])].join(',')
  return items.filter((item) => !asked.includes(item)).join(',')
}

function checkOnce(changes: readonly ConfigChange[]): void {
  const names = new Set<string>()
  for (const { name, operation } of changes) {
    if (names.has(name)) {
      throw new RefusedChangeError(errorCodes.invalidRequest, `${name} is named more than once`)
    }
    names.add(name)
    if (operation < operations.set || operation > operations.subtract) {
      throw new RefusedChangeError(errorCodes.invalidRequest, `operation ${operation} of ${name}`)
    }
  }
}

/**
 * Any broker id of this process is the same broker: its settings are kept for the first of them,
 * and can be changed there or for all.
 */
async function changeBroker(
  broker: BrokerEnvironment,
  resourceName: string,
  changes: readonly ConfigChange[],
  { validateOnly, replacesAll }: Manner,
): Promise<void> {
  const { store, cluster, idleConfig, logger } = broker
  if (resourceName !== '' && !cluster.isNodeName(resourceName)) {
    const reason = `the brokers are ${cluster.nodeIds.join(', ')}`
    throw new RefusedChangeError(errorCodes.invalidRequest, reason)
  }
  const scope: DefaultsScope = resourceName === '' ? 'cluster' : 'node'
  const wanted = changes.filter(({ operation }) => operation !== operations.delete)
  if (scope === 'node' && resourceName !== String(cluster.controllerId)) {
    if (wanted.length === 0) return
    const reason = `broker ${resourceName} is broker ${cluster.controllerId}: change that one, or all`
    throw new RefusedChangeError(errorCodes.invalidRequest, reason)
  }
  const isIdle = ({ name }: ConfigChange) => idleDefinition(name) !== undefined
  const acting = changes.filter((change) => !isIdle(change))
  const change = (given: Defaults): Defaults => {
    const from = replacesAll ? {} : given
    const to = changed(from, acting, brokerNaming, store.topicConfig())
    checkDefaults(acting, to)
    return to
  }
  // All are checked before the first is made. There are two writes: a crash between them, or a disk
  // that fails the second, keeps those that do nothing, of a request that was not answered as done.
  const idle = idleValues(changes.filter(isIdle), scope)
  change(store.topicDefaults[scope])
  if (validateOnly) return
  if (replacesAll) {
    for (const name of Object.keys(idleConfig.given(scope))) {
      if (!idle.has(name)) idle.set(name, undefined)
    }
  }
  await idleConfig.alter(scope, idle)
  // Nothing is written for what changes nothing: tools take away what Kafka might have.
  if (!replacesAll && isSame(change(store.topicDefaults[scope]), store.topicDefaults[scope])) return
  await store.alterTopicDefaults(scope, change)
  const { [scope]: config } = store.topicDefaults
  logger.info({ broker: resourceName, config }, 'settings of the broker changed')
  if (!wanted.some(({ name }) => brokerConfigDefinition(name)?.name === 'cleanup.policy')) return
  for (const topic of store.topics()) warnOfCompaction(logger, topic)
}

/**
 * What settings that are only kept become; undefined = taken away.
 *
 * @throws RefusedChangeError
 */
function idleValues(
  changes: readonly ConfigChange[],
  scope: DefaultsScope,
): Map<string, string | undefined> {
  const values = new Map<string, string | undefined>()
  for (const change of changes) {
    const { name, operation } = change
    if (operation === operations.delete) {
      values.set(name, undefined)
      continue
    }
    const value = givenValue(change)
    if (operation !== operations.set) throw noList(name)
    const fault = idleFault(idleDefinition(name) as IdleDefinition, value, scope)
    if (fault !== undefined) throw new RefusedChangeError(errorCodes.invalidRequest, fault)
    values.set(name, value)
  }
  return values
}

/** @throws RefusedChangeError: to Kafka a wrong value of a broker's setting is a wrong request. */
function checkDefaults(changes: readonly ConfigChange[], to: Defaults): void {
  for (const { name, operation } of changes) {
    if (operation === operations.delete) continue
    const topicName = brokerConfigDefinition(name)?.name ?? name
    try {
      new TopicConfig({ [topicName]: to[topicName] as string })
    } catch (error) {
      if (!(error instanceof InvalidOptionError)) throw error
      const reason = error.message.replace(topicName, name)
      throw new RefusedChangeError(errorCodes.invalidRequest, reason)
    }
  }
}

function isSame(one: Defaults, other: Defaults): boolean {
  const names = Object.keys(one)
  if (names.length !== Object.keys(other).length) return false
  return names.every((name) => one[name] === other[name])
}

/** A wrong option is a wrong setting here. */
function codeOf(faults: StorageFaults, error: unknown): ErrorCode {
  if (error instanceof RefusedChangeError) return error.errorCode
  return error instanceof InvalidOptionError ? errorCodes.invalidConfig : faults.codeOf(error)
}
