/** One call of one of Kafka's tools, and how what it prints is compared. */
import type { JavaStep } from '../support/java-session.ts'

/** What stands for the address of the broker in the arguments of a step. */
export const brokerAddress = '{broker}'
/** What stands for a folder for files, which the step before may have written. */
export const filesFolder = '{files}'

export type Step = JavaStep & {
  /** Only these lines of the output count. */
  readonly lines?: RegExp
  /** What it says went wrong is in each broker's own words: only the kind of error is compared. */
  readonly isInOwnWords?: boolean
  /** The order of its output's lines is nobody's promise: they are compared sorted. */
  readonly isUnordered?: boolean
}

const tools = 'org.apache.kafka.tools'

const mains = {
  topics: `${tools}.TopicCommand`,
  configs: 'kafka.admin.ConfigCommand',
  groups: `${tools}.GroupsCommand`,
  consumerGroups: `${tools}.consumer.group.ConsumerGroupCommand`,
  shareGroups: `${tools}.consumer.group.ShareGroupCommand`,
  streamsGroups: `${tools}.streams.StreamsGroupCommand`,
  producer: `${tools}.ConsoleProducer`,
  producerBefore4: 'kafka.tools.ConsoleProducer',
  consumer: `${tools}.consumer.ConsoleConsumer`,
  verifiableProducer: `${tools}.VerifiableProducer`,
  verifiableConsumer: `${tools}.VerifiableConsumer`,
  producerPerformance: `${tools}.ProducerPerformance`,
  consumerPerformance: `${tools}.ConsumerPerformance`,
  endToEndLatency: `${tools}.EndToEndLatency`,
  offsets: `${tools}.GetOffsetShell`,
  deleteRecords: `${tools}.DeleteRecordsCommand`,
  logDirs: `${tools}.LogDirsCommand`,
  apiVersions: `${tools}.BrokerApiVersionsCommand`,
  cluster: `${tools}.ClusterTool`,
  features: `${tools}.FeatureCommand`,
  quorum: `${tools}.MetadataQuorumCommand`,
  leaderElection: `${tools}.LeaderElectionCommand`,
  reassign: `${tools}.reassign.ReassignPartitionsCommand`,
  transactions: `${tools}.TransactionsCommand`,
  acls: `${tools}.AclCommand`,
  delegationTokens: `${tools}.DelegationTokenCommand`,
  clientMetrics: `${tools}.ClientMetricsCommand`,
  streamsReset: `${tools}.StreamsResetter`,
  compatibility: `${tools}.ClientCompatibilityTest`,
} as const

export type Tool = keyof typeof mains

type Details = Omit<Step, 'name' | 'main' | 'args' | 'wait'>

/** Tools that take the address otherwise than after `--bootstrap-server` in front. */
const withoutAddress = new Set<Tool>(['producerPerformance', 'cluster', 'quorum'])

/**
 * @param line the arguments as one would type them after `--bootstrap-server`: separated by blanks,
 *             in single quotes where they contain some.
 */
export function step(name: string, tool: Tool, line: string, details: Details = {}): Step {
  const args = [...line.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2]!)
  const address = withoutAddress.has(tool) ? [] : ['--bootstrap-server', brokerAddress]
  return { name, main: mains[tool], args: [...address, ...args], ...details }
}

/** Waits for the end of a step in the background. */
export function endOf(name: string, started: string, details: Details = {}): Step {
  return { name, main: '', args: [], wait: started, ...details }
}
