/**
 * What users of @platformatic/kafka do, one line of JSON for each check:
 *
 *     node checks.mjs host:port
 */
import { checkAdmin } from './admin.mjs'
import { checkConsumers } from './consume.mjs'
import { checkGroups } from './groups.mjs'
import { checkProducers } from './produce.mjs'

await checkProducers()
await checkConsumers()
await checkGroups()
await checkAdmin()

// A client that did not get what it wanted may go on trying for ever.
process.exit()
