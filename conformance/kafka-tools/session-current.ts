/**
 * The session with the newest tools. It goes from an empty broker through topics, settings, records
 * and groups, so that each step has what those before it left; groups are looked at while a consumer
 * is in them, which ends by the number of its records.
 *
 * Past 500 lines it is still one list, of which each call builds on those before.
 */
import { endOf, filesFolder, type Step, step } from './step.ts'

/** Refusals are in each broker's own words. */
const ofKind = { isInOwnWords: true }

const topics: Step[] = [
  step('list topics of an empty broker', 'topics', '--list'),
  step(
    'create a topic',
    'topics',
    '--create --topic orders --partitions 3 --replication-factor 1 --config max.message.bytes=2000000',
  ),
  step('create a topic with the defaults', 'topics', '--create --topic plain.topic_1'),
  step('create a topic that exists', 'topics', '--create --topic orders --partitions 3', ofKind),
  step(
    'create a topic that exists, if it does not',
    'topics',
    '--create --topic orders --partitions 3 --if-not-exists',
  ),
  step(
    'create a topic with too many replicas',
    'topics',
    '--create --topic r --replication-factor 3',
    ofKind,
  ),
  step('create a topic without partitions', 'topics', '--create --topic r --partitions 0', ofKind),
  step('create a topic with a bad name', 'topics', '--create --topic a+b', ofKind),
  step(
    'create a topic with an unknown setting',
    'topics',
    '--create --topic r --config no.such=1',
    ofKind,
  ),
  step(
    'create a topic with a bad value',
    'topics',
    '--create --topic r --config cleanup.policy=shred',
    ofKind,
  ),
  step(
    'create a topic with an assignment',
    'topics',
    '--create --topic assigned --replica-assignment 1,1',
  ),
  step(
    'create a topic assigned to a node there is not',
    'topics',
    '--create --topic r --replica-assignment 7,1',
    ofKind,
  ),
  step('list topics', 'topics', '--list'),
  step('describe a topic', 'topics', '--describe --topic orders'),
  step('describe all topics', 'topics', '--describe', { isUnordered: true }),
  step(
    'describe topics with settings of their own',
    'topics',
    '--describe --topics-with-overrides',
    { isUnordered: true },
  ),
  step('describe a topic there is not', 'topics', '--describe --topic missing'),
  step(
    'describe a topic there is not, if it exists',
    'topics',
    '--describe --topic missing --if-exists',
  ),
  step(
    'describe under-replicated partitions',
    'topics',
    '--describe --under-replicated-partitions',
  ),
  step('describe unavailable partitions', 'topics', '--describe --unavailable-partitions'),
  step('describe partitions at the least in sync', 'topics', '--describe --at-min-isr-partitions', {
    isUnordered: true,
  }),
  step('describe partitions under it', 'topics', '--describe --under-min-isr-partitions'),
  step('raise the partitions of a topic', 'topics', '--alter --topic orders --partitions 4'),
  step(
    'lower the partitions of a topic',
    'topics',
    '--alter --topic orders --partitions 2',
    ofKind,
  ),
  step('keep the partitions of a topic', 'topics', '--alter --topic orders --partitions 4', ofKind),
  step('raise the partitions of no topic', 'topics', '--alter --topic missing --partitions 4'),
  step('describe the raised topic', 'topics', '--describe --topic orders'),
  step('delete a topic', 'topics', '--delete --topic assigned'),
  step('delete a topic there is not', 'topics', '--delete --topic assigned'),
  step('delete a topic there is not, if it exists', 'topics', '--delete --topic no --if-exists'),
]

const topic = '--entity-type topics --entity-name orders'
const broker = '--entity-type brokers --entity-name 1'

const everyBroker = '--entity-type brokers --entity-default'
const ofSegments = {
  lines: /^ {2}(log\.)?(segment\.bytes|flush\.interval\.messages|flush\.messages)=/,
}

/** A broker may tell of a change a little later than it is answered. */
const brokerSettings: Step[] = [
  step(
    'set settings of all brokers',
    'configs',
    `${everyBroker} --alter --add-config log.segment.bytes=2097152,log.flush.interval.messages=100000`,
  ),
  step(
    'set a setting of one broker too',
    'configs',
    `${broker} --alter --add-config log.segment.bytes=4194304`,
  ),
  step('describe settings that all brokers have', 'configs', `${everyBroker} --describe`, {
    until: /log\.flush\.interval\.messages=100000/,
    isUnordered: true,
  }),
  step('describe the setting of the broker', 'configs', `${broker} --describe`, {
    until: /log\.segment\.bytes=4194304/,
    lines: /^Dynamic|^ {2}log\.segment/,
  }),
  step('describe where settings of a broker come from', 'configs', `${broker} --describe --all`, {
    ...ofSegments,
    isUnordered: true,
  }),
  step('describe where those of a topic come from', 'configs', `${topic} --describe --all`, {
    ...ofSegments,
    isUnordered: true,
  }),
  step(
    'set a bad value of a broker',
    'configs',
    `${broker} --alter --add-config log.segment.bytes=3`,
    ofKind,
  ),
  step(
    'set a setting of a broker in a unit of its start',
    'configs',
    `${everyBroker} --alter --add-config log.retention.hours=3`,
    ofKind,
  ),
  step(
    'take the setting of the broker back',
    'configs',
    `${broker} --alter --delete-config log.segment.bytes`,
  ),
  step(
    'take settings of all brokers back',
    'configs',
    `${everyBroker} --alter --delete-config log.segment.bytes,log.flush.interval.messages`,
  ),
  step('describe settings of all brokers after that', 'configs', `${everyBroker} --describe`, {
    until: /cluster are:\s*$/,
  }),
]

const annsApp = '--entity-type users --entity-name ann --entity-type clients --entity-name app'
const otherClients = '--entity-type clients --entity-default'

const quotas: Step[] = [
  step(
    'set quotas of a client of a user',
    'configs',
    `${annsApp} --alter --add-config producer_byte_rate=1048576,consumer_byte_rate=2097152`,
  ),
  step(
    'set a quota of all other clients',
    'configs',
    `${otherClients} --alter --add-config request_percentage=450.5`,
  ),
  step(
    'set a quota of an address',
    'configs',
    '--entity-type ips --entity-name 10.1.2.3 --alter --add-config connection_creation_rate=100',
  ),
  step('describe quotas of clients of users', 'configs', `${annsApp} --describe`, {
    until: /producer_byte_rate/,
    isUnordered: true,
  }),
  step('describe quotas of all other clients', 'configs', `${otherClients} --describe`, {
    until: /request_percentage/,
  }),
  step('describe quotas of clients', 'configs', '--entity-type clients --describe', {
    isUnordered: true,
  }),
  step('describe quotas of addresses', 'configs', '--entity-type ips --describe', {
    until: /connection_creation_rate/,
  }),
  step(
    'set a bad quota',
    'configs',
    `${otherClients} --alter --add-config request_percentage=-1`,
    ofKind,
  ),
  step(
    'take quotas of a client of a user back',
    'configs',
    `${annsApp} --alter --delete-config producer_byte_rate,consumer_byte_rate`,
  ),
  step(
    'take the quota of all other clients back',
    'configs',
    `${otherClients} --alter --delete-config request_percentage`,
  ),
]

const ann = '--entity-type users --entity-name ann'

const credentials: Step[] = [
  step(
    'set a credential of a user',
    'configs',
    `${ann} --alter --add-config SCRAM-SHA-256=[iterations=8192,password=secret]`,
  ),
  step('describe credentials of a user', 'configs', `${ann} --describe`, {
    until: /SCRAM-SHA-256/,
  }),
  step('describe credentials of all users', 'configs', '--entity-type users --describe'),
  step(
    'set a credential with too few iterations',
    'configs',
    `${ann} --alter --add-config SCRAM-SHA-512=[iterations=10,password=secret]`,
    ofKind,
  ),
  step(
    'take the credential of a user back',
    'configs',
    `${ann} --alter --delete-config SCRAM-SHA-256`,
  ),
  step(
    'take a credential back that there is not',
    'configs',
    `${ann} --alter --delete-config SCRAM-SHA-512`,
    ofKind,
  ),
]

const configs: Step[] = [
  step('describe settings of a topic', 'configs', `${topic} --describe`),
  step('describe all settings of a topic', 'configs', `${topic} --describe --all`, {
    lines: /^(?! +stratalog\.)/,
  }),
  step('describe settings of all topics', 'configs', '--entity-type topics --describe', {
    isUnordered: true,
  }),
  step(
    'describe settings of no topic',
    'configs',
    '--entity-type topics --entity-name no --describe',
  ),
  step(
    'set settings of a topic',
    'configs',
    `${topic} --alter --add-config index.interval.bytes=8192,cleanup.policy=[compact,delete]`,
  ),
  step('describe settings after that', 'configs', `${topic} --describe`),
  step(
    'take settings of a topic back',
    'configs',
    `${topic} --alter --delete-config cleanup.policy,index.interval.bytes`,
  ),
  step('describe settings after that too', 'configs', `${topic} --describe`),
  step(
    'take back a setting that was not set',
    'configs',
    `${topic} --alter --delete-config flush.ms`,
  ),
  step('set an unknown setting', 'configs', `${topic} --alter --add-config no.such=1`, ofKind),
  step('set a bad value', 'configs', `${topic} --alter --add-config retention.ms=soon`, ofKind),
  step(
    'set a value out of range',
    'configs',
    `${topic} --alter --add-config segment.bytes=-4`,
    ofKind,
  ),
  step(
    'set settings of no topic',
    'configs',
    '--entity-type topics --entity-name no --alter --add-config flush.ms=5',
    ofKind,
  ),
  step('describe settings of a broker', 'configs', `${broker} --describe`),
  step('describe all settings of a broker', 'configs', `${broker} --describe --all`, {
    lines:
      /^All configs|^ {2}(node\.id|num\.partitions|log\.retention\.hours|message\.max\.bytes)=/,
    isUnordered: true,
  }),
  step(
    'describe settings of all brokers',
    'configs',
    '--entity-type brokers --entity-default --describe',
  ),
  step(
    'describe settings of no broker',
    'configs',
    '--entity-type brokers --entity-name 9 --describe',
  ),
  step(
    'set a setting of a broker',
    'configs',
    `${broker} --alter --add-config log.cleaner.threads=2`,
  ),
  step(
    'set a setting a broker has from its start',
    'configs',
    `${broker} --alter --add-config node.id=2`,
    ofKind,
  ),
  ...brokerSettings,
  step('describe settings of groups', 'configs', '--entity-type groups --describe'),
  step('describe settings of client metrics', 'configs', '--entity-type client-metrics --describe'),
  step('describe quotas of users', 'configs', '--entity-type users --describe'),
  step('list client metrics', 'clientMetrics', '--list'),
  ...quotas,
  ...credentials,
]

function lines(prefix: string, count: number): string {
  return Array.from({ length: count }, (_, number) => `${prefix}${number}\n`).join('')
}

const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
const everything = '--from-beginning --timeout-ms 20000'

const records: Step[] = [
  step(
    'produce records with keys and headers',
    'producer',
    '--topic orders --reader-property parse.key=true --reader-property parse.headers=true',
    { input: 'h1:v1,h2:v2\tk1\tone\nh1:v3\tk2\ttwo\nh3:\tk3\tthree\n' },
  ),
  step(
    'consume with keys, headers and timestamps',
    'consumer',
    `--topic orders ${everything} --max-messages 3 --formatter-property print.key=true --formatter-property print.headers=true --formatter-property print.timestamp=true`,
    { isUnordered: true },
  ),
  ...codecs.map((codec) =>
    step(
      `produce records compressed with ${codec}`,
      'producer',
      `--topic plain.topic_1 --compression-codec ${codec} --batch-size 400`,
      { input: lines(`${codec} `, 20) },
    ),
  ),
  step(
    'produce with acks=1, not idempotent',
    'producer',
    '--topic plain.topic_1 --command-property acks=1 --command-property enable.idempotence=false --sync',
    { input: lines('one ', 3) },
  ),
  step(
    'produce with acks=0',
    'producer',
    '--topic plain.topic_1 --command-property acks=0 --command-property enable.idempotence=false',
    { input: lines('zero ', 2) },
  ),
  step(
    'consume all of a topic in order',
    'consumer',
    `--topic plain.topic_1 ${everything} --max-messages 105 --formatter-property print.offset=true --formatter-property print.partition=true`,
  ),
  step(
    'consume one partition from an offset',
    'consumer',
    '--topic plain.topic_1 --partition 0 --offset 100 --max-messages 3 --timeout-ms 20000',
  ),
  step(
    'consume one partition from its end: nothing',
    'consumer',
    '--topic plain.topic_1 --partition 0 --offset latest --timeout-ms 300',
  ),
  step(
    'consume what is committed',
    'consumer',
    `--topic plain.topic_1 ${everything} --max-messages 105 --isolation-level read_committed`,
    { lines: /^zstd/ },
  ),
  step(
    'consume topics by a pattern',
    'consumer',
    `--include 'plain.*' ${everything} --max-messages 2`,
  ),
  step(
    'produce a record that is too large',
    'producer',
    '--topic plain.topic_1 --command-property max.request.size=9000000',
    { input: `${'x'.repeat(3_000_000)}\n` },
  ),
  step('produce into a topic with a bad name', 'producer', '--topic a+b', { input: 'x\n' }),
  step('produce into a new topic', 'producer', '--topic created-by-producer', { input: 'x\n' }),
]

const offsets: Step[] = [
  step('latest offsets', 'offsets', '--exclude-internal-topics'),
  step('earliest offsets', 'offsets', '--time earliest --exclude-internal-topics'),
  step(
    'offsets of the largest timestamp',
    'offsets',
    '--time max-timestamp --topic plain.topic_1',
    {
      lines: /nothing: the last append may share its millisecond/,
    },
  ),
  step('offsets on this disk', 'offsets', '--time -4 --exclude-internal-topics'),
  step('last tiered offsets', 'offsets', '--time -5 --exclude-internal-topics'),
  step('offsets of a time long ago', 'offsets', '--time 1000000000000 --topic plain.topic_1'),
  step('offsets of a time to come', 'offsets', '--time 4000000000000 --topic plain.topic_1'),
  step('offsets of some partitions', 'offsets', '--topic-partitions orders:0-2'),
  step('offsets of no topic', 'offsets', '--topic missing'),
  step('delete records', 'deleteRecords', `--offset-json-file ${filesFolder}/delete-records.json`),
  step('earliest offsets after that', 'offsets', '--time earliest --topic plain.topic_1'),
  step(
    'delete records behind the end',
    'deleteRecords',
    `--offset-json-file ${filesFolder}/delete-too-many.json`,
  ),
  step(
    'consume from an offset that was deleted',
    'consumer',
    '--topic plain.topic_1 --partition 0 --offset 3 --max-messages 1 --timeout-ms 20000 --command-property auto.offset.reset=earliest',
  ),
]

/** Clients without a group take one with a random name, which a broker may show for a while. */
const ofNamedGroups = { lines: /^(?!console-consumer-\d)/ }
/** Where a broker keeps its own data is not compared. */
const ofOwnTopics = { lines: /^(?!__)/ }

const group = '--group readers'
const reset = `${group} --reset-offsets`

const groups: Step[] = [
  step('list no groups', 'consumerGroups', '--list', { ...ofNamedGroups, isUnordered: true }),
  step('describe a group there is not', 'consumerGroups', '--describe --group readers'),
  step(
    'consume in a group',
    'consumer',
    `--topic plain.topic_1 ${group} ${everything} --max-messages 50`,
    { lines: /^(snappy|lz4)/ },
  ),
  step('list groups', 'consumerGroups', '--list', { ...ofNamedGroups, isUnordered: true }),
  step('list groups with their states', 'consumerGroups', '--list --state', {
    ...ofNamedGroups,
    isUnordered: true,
  }),
  step('list groups of one state', 'consumerGroups', '--list --state Stable', {
    ...ofNamedGroups,
    isUnordered: true,
  }),
  step('list groups of one type', 'consumerGroups', '--list --type classic', {
    ...ofNamedGroups,
    isUnordered: true,
  }),
  step('list groups of every kind', 'groups', '--list', { ...ofNamedGroups, isUnordered: true }),
  step('list groups of consumers', 'groups', '--list --consumer', {
    ...ofNamedGroups,
    isUnordered: true,
  }),
  step('list share groups', 'shareGroups', '--list'),
  step('list streams groups', 'streamsGroups', '--list'),
  step('describe a group without members', 'consumerGroups', `--describe ${group}`),
  step(
    'describe the members of a group without',
    'consumerGroups',
    `--describe ${group} --members`,
  ),
  step(
    'describe the state of a group without members',
    'consumerGroups',
    `--describe ${group} --state`,
  ),
  step(
    'begin to consume in the group',
    'consumer',
    `--topic plain.topic_1 ${group} --max-messages 31 --timeout-ms 60000 --command-property auto.commit.interval.ms=100`,
    {
      isBackground: true,
    },
  ),
  step('describe a group with a member', 'consumerGroups', `--describe ${group}`, {
    until: /plain\.topic_1 +0 +105 +105 .*console-consumer/,
  }),
  step('describe its members', 'consumerGroups', `--describe ${group} --members --verbose`),
  step('describe its state', 'consumerGroups', `--describe ${group} --state --verbose`),
  step('describe all groups', 'consumerGroups', '--describe --all-groups --offsets'),
  step('list groups that are stable', 'consumerGroups', '--list --state Stable', {
    ...ofNamedGroups,
    isUnordered: true,
  }),
  step(
    'reset offsets of a group with members',
    'consumerGroups',
    `${reset} --topic plain.topic_1 --to-earliest --execute`,
  ),
  step('delete a group with members', 'consumerGroups', `--delete ${group}`),
  step(
    'delete offsets that are read',
    'consumerGroups',
    `--delete-offsets ${group} --topic plain.topic_1`,
  ),
  step('produce the last record it waits for', 'producer', '--topic plain.topic_1', {
    input: 'last\n',
  }),
  endOf('the consumer in the group ends', 'begin to consume in the group'),
  step('describe the group after it has left', 'consumerGroups', `--describe ${group}`, {
    until: /0 +106 +106/,
  }),
  step('plan to reset offsets', 'consumerGroups', `${reset} --all-topics --to-earliest --dry-run`),
  step(
    'reset offsets to the earliest',
    'consumerGroups',
    `${reset} --all-topics --to-earliest --execute`,
  ),
  step(
    'reset offsets by a shift',
    'consumerGroups',
    `${reset} --topic plain.topic_1:0 --shift-by 7 --execute`,
  ),
  step(
    'reset offsets to an offset',
    'consumerGroups',
    `${reset} --topic plain.topic_1 --to-offset 60 --execute`,
  ),
  step(
    'reset offsets behind the end',
    'consumerGroups',
    `${reset} --topic plain.topic_1 --to-offset 600 --execute`,
  ),
  step(
    'reset offsets to a time',
    'consumerGroups',
    `${reset} --topic plain.topic_1 --to-datetime 2020-01-01T00:00:00.000 --execute`,
  ),
  step(
    'reset offsets by a duration',
    'consumerGroups',
    `${reset} --topic plain.topic_1 --by-duration P1D --execute`,
  ),
  step(
    'reset offsets of another topic',
    'consumerGroups',
    `${reset} --topic orders --to-latest --execute`,
  ),
  step('export offsets', 'consumerGroups', `${reset} --all-topics --to-current --export --dry-run`),
  step(
    'reset offsets to the current ones',
    'consumerGroups',
    `${reset} --all-topics --to-current --execute`,
  ),
  step(
    'reset offsets from a file',
    'consumerGroups',
    `${reset} --from-file ${filesFolder}/offsets.csv --execute`,
  ),
  step(
    'reset offsets of a group there is not',
    'consumerGroups',
    '--group new --reset-offsets --topic plain.topic_1 --to-latest --execute',
  ),
  step(
    'consume where the reset has put it',
    'consumer',
    `--topic plain.topic_1 ${group} --max-messages 2 --timeout-ms 20000`,
  ),
  step('delete offsets of a topic', 'consumerGroups', `--delete-offsets ${group} --topic orders`),
  step(
    'delete offsets of a topic there is not',
    'consumerGroups',
    `--delete-offsets ${group} --topic no`,
  ),
  step('describe the offsets that are left', 'consumerGroups', `--describe ${group}`, {
    until: /plain/,
  }),
  step('delete a group', 'consumerGroups', `--delete ${group}`),
  step('delete a group there is not', 'consumerGroups', `--delete ${group}`),
  step('list groups at the end', 'consumerGroups', '--list', {
    ...ofNamedGroups,
    isUnordered: true,
  }),
  step(
    'consume in a group of the new protocol',
    'consumer',
    `--topic plain.topic_1 --group modern ${everything} --max-messages 3 --command-property group.protocol=consumer`,
  ),
]

const loads: Step[] = [
  step('create a topic for loads', 'topics', '--create --topic load --partitions 1'),
  step('produce verifiably', 'verifiableProducer', '--topic load --max-messages 500 --acks -1', {
    lines: /"(tool_data|shutdown_complete|producer_send_error)"/,
  }),
  step(
    'consume verifiably',
    'verifiableConsumer',
    '--topic load --max-messages 500 --group-id verifiers --reset-policy earliest',
    {
      lines: /"(partitions_assigned|partitions_revoked|shutdown_complete)"/,
    },
  ),
  step('describe the offsets it has committed', 'consumerGroups', '--describe --group verifiers'),
  step(
    'produce as fast as it goes',
    'producerPerformance',
    '--topic load --num-records 20000 --record-size 200 --throughput -1 --bootstrap-server {broker} --command-property acks=all compression.type=lz4',
  ),
  step(
    'consume as fast as it goes',
    'consumerPerformance',
    '--topic load --num-records 20500 --timeout 20000 --hide-header',
    { lines: / 20500, / },
  ),
  step(
    'measure latency',
    'endToEndLatency',
    '--topic load --num-records 50 --producer-acks all --record-size 100',
    { lines: /nothing: figures only/ },
  ),
  step('offsets after the loads', 'offsets', '--topic load'),
]

/** What the compatibility probe shall find, but for access rules. */
const probe = [
  '--topic probe --num-cluster-nodes 1 --expect-record-too-large-exception false',
  ...[
    'offsets-for-times-supported',
    'cluster-id-supported',
    'create-topics-supported',
    'describe-configs-supported',
    'idempotent-producer-supported',
  ].map((feature) => `--${feature} true`),
].join(' ')

const others: Step[] = [
  step('id of the cluster', 'cluster', 'cluster-id --bootstrap-server {broker}'),
  step('endpoints of the cluster', 'cluster', 'list-endpoints --bootstrap-server {broker}'),
  step('versions of the APIs that clients live by', 'apiVersions', '', {
    lines:
      /^\S+ \(id|^\s(Produce|Fetch|ListOffsets|Metadata|OffsetCommit|OffsetFetch|FindCoordinator|JoinGroup|Heartbeat|LeaveGroup|SyncGroup|ApiVersions|CreateTopics|InitProducerId)\(/,
  }),
  step('sizes of the logs', 'logDirs', '--describe --topic-list orders', {
    lines: /^(Querying|Received)/,
  }),
  step('sizes of the logs of no broker', 'logDirs', '--describe --broker-list 9'),
  step('features', 'features', 'describe'),
  step('state of the quorum', 'quorum', '--bootstrap-server {broker} describe --status', {
    lines: /^(LeaderId|MaxFollowerLag|MaxFollowerLagTimeMs|CurrentObservers):/,
  }),
  step('replicas of the quorum', 'quorum', '--bootstrap-server {broker} describe --replication'),
  step(
    'elect preferred leaders',
    'leaderElection',
    '--election-type preferred --all-topic-partitions',
  ),
  step(
    'elect the leader of a partition',
    'leaderElection',
    '--election-type preferred --topic orders --partition 0',
  ),
  step(
    'elect any leader of a partition',
    'leaderElection',
    '--election-type unclean --topic orders --partition 0',
  ),
  step(
    'elect the leader of no partition',
    'leaderElection',
    '--election-type preferred --topic orders --partition 77',
    ofKind,
  ),
  step('list reassignments', 'reassign', '--list'),
  step(
    'reassign to the same node',
    'reassign',
    `--reassignment-json-file ${filesFolder}/reassign.json --execute`,
  ),
  step(
    'verify that reassignment',
    'reassign',
    `--reassignment-json-file ${filesFolder}/reassign.json --verify`,
  ),
  step(
    'reassign to a node there is not',
    'reassign',
    `--reassignment-json-file ${filesFolder}/reassign-away.json --execute`,
  ),
  step('list transactions', 'transactions', 'list'),
  step(
    'describe producers of a partition',
    'transactions',
    'describe-producers --topic plain.topic_1 --partition 0',
    { isUnordered: true },
  ),
  step(
    'describe a transaction there is not',
    'transactions',
    'describe --transactional-id none',
    ofKind,
  ),
  step('find transactions that hang', 'transactions', 'find-hanging --broker-id 1'),
  step('list access rules', 'acls', '--list', ofKind),
  step(
    'reset the offsets of a streams application',
    'streamsReset',
    '--application-id app --input-topics plain.topic_1 --force',
  ),
  step('probe for compatibility', 'compatibility', `${probe} --describe-acls-supported true`),
  step('delete the topic of the probe', 'topics', '--delete --topic newtopic --if-exists'),
  step(
    'probe for compatibility without access rules',
    'compatibility',
    `${probe} --describe-acls-supported false`,
  ),
  step(
    'delete all topics',
    'topics',
    "--delete --topic 'orders|plain.*|created-by-producer|load|newtopic'",
  ),
  step('list topics at the end', 'topics', '--list', {
    ...ofOwnTopics,
    until: /^(?!.*(orders|plain|load|created))/,
  }),
]

export const currentSession: readonly Step[] = [
  ...topics,
  ...configs,
  ...records,
  ...offsets,
  ...groups,
  ...loads,
  ...others,
]
