/** Says plainly that `cleanup.policy=compact` is kept and shown but not carried out yet. */
import type { Logger } from '../base/logger.ts'
import { listItems } from '../store/config-definition.ts'
import type { Topic } from '../store/topic.ts'

export function warnOfCompaction(logger: Logger, topic: Topic): void {
  const policy = topic.config.get('cleanup.policy')
  if (!listItems(policy).includes('compact')) return
  logger.warn(
    { topic: topic.name, 'cleanup.policy': policy },
    'compaction is not active yet: records of this topic are kept, whatever their keys',
  )
}
