/** Recovers every log of a store after an unclean stop, one after the other, and says how far it is. */
import { LogError } from '../base/errors.ts'
import type { LogEnvironment } from '../log/log-environment.ts'
import type { FileSystem } from '../platform/file-system.ts'
import type { Checkpoints } from './checkpoints.ts'
import { bytesToRecover } from './log-directories.ts'
import type { LogOpener } from './log-opener.ts'
import type { StoreSettings } from './store-options.ts'
import type { Topic } from './topic.ts'

type Work = {
  readonly env: LogEnvironment
  readonly topic: Topic
  readonly partition: number
  readonly bytes: number
}

/**
 * Opens every log of `topics`, giving the event loop a turn now and then.
 * @returns bytes checked, and whether all logs are open: what is wrong with one is told to who asks for it.
 */
export async function recoverLogs(
  topics: Iterable<Topic>,
  opener: LogOpener,
  parts: {
    readonly fileSystem: FileSystem
    readonly checkpoints: Checkpoints
    readonly onRecovery: StoreSettings['onRecovery']
  },
): Promise<{ checkedBytes: number; isWhole: boolean }> {
  const { onRecovery } = parts
  const work = [...workOf(topics, opener, parts)]
  const totalBytes = work.reduce((sum, { bytes }) => sum + bytes, 0)
  let doneBytes = 0
  let checkedBytes = 0
  let isWhole = true
  for (const { env, topic, partition, bytes } of work) {
    let progressBytes = doneBytes
    const loading = opener.loadingUnlessDamaged(env)
    for (let step = loading.next(); ; step = loading.next()) {
      if (step.done === true) {
        if (step.value instanceof LogError) {
          topic.refuse(partition, step.value)
          isWhole = false
        } else {
          checkedBytes += step.value.checkedBytes
          topic.adopt(partition, opener.opened(env, step.value))
        }
        break
      }
      progressBytes += step.value
      onRecovery({ log: env.name, checkedBytes: progressBytes, totalBytes })
      await new Promise((resolve) => setImmediate(resolve))
    }
    doneBytes += bytes
    onRecovery({ log: env.name, checkedBytes: doneBytes, totalBytes })
  }
  return { checkedBytes, isWhole }
}

function* workOf(
  topics: Iterable<Topic>,
  opener: LogOpener,
  { fileSystem, checkpoints }: { fileSystem: FileSystem; checkpoints: Checkpoints },
): Generator<Work> {
  for (const topic of topics) {
    const shared = opener.topicEnvironment(topic.name, topic)
    for (let partition = 0; partition < topic.partitionCount; partition++) {
      const env = opener.environment(shared, partition)
      const recoveryPoint = checkpoints.recoveryPoint(env.name)
      const indexSeal = checkpoints.indexSeal(env.name)
      const bytes = bytesToRecover(fileSystem, env.directory, { recoveryPoint, indexSeal })
      yield { env, topic, partition, bytes }
    }
  }
}
