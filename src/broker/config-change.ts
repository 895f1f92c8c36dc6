/**
 * Changes of settings as the two APIs ask for them: AlterConfigs replaces all that a topic sets
 * itself, IncrementalAlterConfigs changes some of it. All changes of one resource are made
 * together or not at all. This broker's own settings are fixed while it runs.
 */
import { InvalidOptionError } from '../base/errors.ts'
import { type ErrorCode, errorCodes } from '../protocol/error-codes.ts'
import { listItems, type TopicConfig, topicConfigDefinition } from '../store/topic-config.ts'
import type { BrokerEnvironment } from './broker-environment.ts'
import { warnOfCompaction } from './compaction-notice.ts'
import { errorCodeOf, errorMessageOf } from './error-mapping.ts'

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

type Overrides = Readonly<Record<string, string>>

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
  how: { readonly validateOnly: boolean; readonly replacesAll: boolean },
): Promise<ChangeResult> {
  const { resourceType, resourceName } = resource
  try {
    checkOnce(changes)
    if (resourceType === configResources.topic) {
      await changeTopic(broker, resourceName, changes, how)
    } else if (resourceType === configResources.broker) {
      checkBrokerChange(broker, resourceName, changes)
    } else {
      const reason = `resource type ${resourceType} has no settings that can be changed`
      throw new RefusedChangeError(errorCodes.invalidRequest, reason)
    }
    return { errorCode: errorCodes.none, errorMessage: null, resourceType, resourceName }
  } catch (error) {
    return refuse(resource, codeOf(error), errorMessageOf(error))
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
  { validateOnly, replacesAll }: { readonly validateOnly: boolean; readonly replacesAll: boolean },
): Promise<void> {
  const { store, logger } = broker
  const topic = store.topic(name)
  if (topic === undefined) {
    throw new RefusedChangeError(errorCodes.unknownTopicOrPartition, 'there is no such topic')
  }
  if (topic.isInternal) {
    throw new RefusedChangeError(errorCodes.invalidTopicException, 'the topic is internal')
  }
  const change = (config: Overrides): Overrides =>
    changed(replacesAll ? {} : config, changes, store.topicConfig(config))
  if (validateOnly) {
    store.topicConfig(change(topic.config.overrides))
    return
  }
  await store.alterTopicConfig(name, change)
  logger.info({ topic: name, config: topic.config.overrides }, 'topic settings changed')
  warnOfCompaction(logger, topic)
}

/** @param current settings to which items of a list are added, or from which they are taken. */
function changed(
  from: Overrides,
  changes: readonly ConfigChange[],
  current: TopicConfig,
): Overrides {
  const to: Record<string, string> = { ...from }
  for (const { name, operation, value } of changes) {
    // Also of a setting that is not known: tools take away what Kafka might have.
    if (operation === operations.delete) {
      delete to[name]
      continue
    }
    const definition = topicConfigDefinition(name)
    if (definition === undefined) {
      throw new RefusedChangeError(errorCodes.invalidConfig, `${name} is no topic setting`)
    }
    if (value === null) {
      throw new RefusedChangeError(errorCodes.invalidRequest, `${name} is null`)
    }
    if (operation === operations.set) to[name] = value
    else if (definition.type !== 'list') {
      const reason = `${name} is no list: items can neither be added nor taken away`
      throw new RefusedChangeError(errorCodes.invalidConfig, reason)
    } else to[name] = listAfter(listItems(current.get(name)), listItems(value), operation)
  }
  return to
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

/** No change, and taking away what cannot have been set, is what some tools send: it is granted. */
function checkBrokerChange(
  { cluster }: BrokerEnvironment,
  resourceName: string,
  changes: readonly ConfigChange[],
): void {
  if (resourceName !== '' && !cluster.isNodeName(resourceName)) {
    const reason = `the brokers are ${cluster.nodeIds.join(', ')}`
    throw new RefusedChangeError(errorCodes.invalidRequest, reason)
  }
  const wanted = changes.filter(({ operation }) => operation !== operations.delete)
  if (wanted.length === 0) return
  const names = wanted.map(({ name }) => name).join(', ')
  const reason = `settings of a broker are fixed while it runs: ${names}`
  throw new RefusedChangeError(errorCodes.invalidRequest, reason)
}

/** A wrong option is a wrong setting here. */
function codeOf(error: unknown): ErrorCode {
  if (error instanceof RefusedChangeError) return error.errorCode
  return error instanceof InvalidOptionError ? errorCodes.invalidConfig : errorCodeOf(error)
}
