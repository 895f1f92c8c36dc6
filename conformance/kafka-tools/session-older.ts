/**
 * The session with the tools and Java clients of 3.9, the last that speak the oldest versions of
 * APIs: records with every codec, a group with its life, and the administration that has changed
 * its way over the wire since.
 */
import { endOf, filesFolder, type Step, step } from './step.ts'

const group = '--group readers'
const everything = '--from-beginning --timeout-ms 20000'
const ofNamedGroups = { lines: /^(?!console-consumer-\d)/, isUnordered: true }

function lines(prefix: string, count: number): string {
  return Array.from({ length: count }, (_, number) => `${prefix}${number}\n`).join('')
}

const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd']

export const olderSession: readonly Step[] = [
  step('create a topic', 'topics', '--create --topic plain.topic_1 --partitions 1'),
  step(
    'create a topic with settings',
    'topics',
    '--create --topic orders --partitions 3 --config flush.messages=7',
  ),
  step('list topics', 'topics', '--list'),
  step('describe topics', 'topics', '--describe', { isUnordered: true }),
  step('raise the partitions of a topic', 'topics', '--alter --topic orders --partitions 4'),
  step(
    'set a setting',
    'configs',
    '--entity-type topics --entity-name orders --alter --add-config flush.messages=9',
  ),
  step('describe settings', 'configs', '--entity-type topics --entity-name orders --describe'),
  ...codecs.map((codec) =>
    step(
      `produce records compressed with ${codec}`,
      'producerBefore4',
      `--topic plain.topic_1 --compression-codec ${codec} --batch-size 400`,
      { input: lines(`${codec} `, 20) },
    ),
  ),
  step(
    'produce with acks=0',
    'producerBefore4',
    '--topic plain.topic_1 --request-required-acks 0 --producer-property enable.idempotence=false',
    {
      input: lines('zero ', 2),
    },
  ),
  step(
    'produce records with keys and headers',
    'producerBefore4',
    '--topic orders --property parse.key=true --property parse.headers=true',
    {
      input: 'h1:v1,h2:v2\tk1\tone\nh1:v3\tk2\ttwo\n',
    },
  ),
  step(
    'consume with keys and headers',
    'consumer',
    `--topic orders ${everything} --max-messages 2 --property print.key=true --property print.headers=true`,
    {
      isUnordered: true,
    },
  ),
  step(
    'consume all of a topic in order',
    'consumer',
    `--topic plain.topic_1 ${everything} --max-messages 102 --property print.offset=true`,
  ),
  step(
    'consume from an offset',
    'consumer',
    '--topic plain.topic_1 --partition 0 --offset 98 --max-messages 3 --timeout-ms 20000',
  ),
  step(
    'consume what is committed',
    'consumer',
    `--topic plain.topic_1 ${everything} --max-messages 20 --isolation-level read_committed`,
  ),
  step(
    'consume in a group',
    'consumer',
    `--topic plain.topic_1 ${group} ${everything} --max-messages 50`,
    { lines: /^(snappy|lz4)/ },
  ),
  step('list groups', 'consumerGroups', '--list', ofNamedGroups),
  step('describe a group without members', 'consumerGroups', `--describe ${group}`),
  step(
    'begin to consume in the group',
    'consumer',
    `--topic plain.topic_1 ${group} --max-messages 53 --timeout-ms 60000 --consumer-property auto.commit.interval.ms=100`,
    {
      isBackground: true,
    },
  ),
  step('describe a group with a member', 'consumerGroups', `--describe ${group}`, {
    until: /plain\.topic_1 +0 +102 +102 .*console-consumer/,
  }),
  step('describe its members', 'consumerGroups', `--describe ${group} --members --verbose`),
  step('describe its state', 'consumerGroups', `--describe ${group} --state`),
  step('produce the last record it waits for', 'producerBefore4', '--topic plain.topic_1', {
    input: 'last\n',
  }),
  endOf('the consumer in the group ends', 'begin to consume in the group'),
  step(
    'reset offsets',
    'consumerGroups',
    `${group} --reset-offsets --all-topics --shift-by -20 --execute`,
  ),
  step(
    'consume where the reset has put it',
    'consumer',
    `--topic plain.topic_1 ${group} --max-messages 2 --timeout-ms 20000`,
  ),
  step('delete offsets', 'consumerGroups', `--delete-offsets ${group} --topic plain.topic_1`),
  step('delete a group', 'consumerGroups', `--delete ${group}`),
  step('delete a group there is not', 'consumerGroups', `--delete ${group}`),
  step('delete records', 'deleteRecords', `--offset-json-file ${filesFolder}/delete-records.json`),
  step('earliest offsets', 'offsets', '--time earliest --exclude-internal-topics'),
  step('latest offsets', 'offsets', '--time latest --exclude-internal-topics'),
  step('sizes of the logs', 'logDirs', '--describe --topic-list orders', {
    lines: /^(Querying|Received)/,
  }),
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
  step(
    'produce as fast as it goes',
    'producerPerformance',
    '--topic load --num-records 20000 --record-size 200 --throughput -1 --producer-props bootstrap.servers={broker} acks=1 compression.type=zstd',
    {
      lines: /^20000 /,
    },
  ),
  step(
    'elect preferred leaders',
    'leaderElection',
    '--election-type preferred --all-topic-partitions',
  ),
  step('delete topics', 'topics', "--delete --topic 'orders|plain.*|load'"),
]
