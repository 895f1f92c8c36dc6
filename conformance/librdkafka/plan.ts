/**
 * Which of librdkafka's tests are run, and how. A number names one test or several with a common
 * beginning; each number is a process of its own, as one that runs out of time ends them all.
 */

/** The version of Kafka that the tests take the server for: the newest without share groups. */
export const brokerVersion = '4.1.0'

/** One number of the table of tests, in one scenario. */
export type PlannedTest = {
  readonly number: string
  readonly scenario: string
  /** The names of its tests in the report. */
  readonly names: readonly string[]
}

/** One process. */
export type Run = PlannedTest & {
  /** Only the parts of the test with this text in their names. */
  readonly part?: string
  /** Lines of its configuration. */
  readonly config: readonly string[]
  readonly brokerVersion: string
  /** Arguments of the server that it needs. */
  readonly server: readonly string[]
  /** Half a minute or more. */
  readonly isLong: boolean
}

/** What the suite's own clusters have, as far as one node can. */
const servers: Readonly<Record<string, readonly string[]>> = {
  default: ['--default-partitions', '4'],
  noautocreate: [
    ...['--default-partitions', '4', '--no-auto-create-topics'],
    ...['--brokers', '3', '--default-replication-factor', '3'],
  ],
}

/**
 * Tests that end at their first failure although what follows it has nothing to do with that, or that
 * take long: each part is a process and a result of its own.
 */
const parts: Readonly<Record<string, readonly string[]>> = {
  '0055': [
    'standard settings',
    'low linger.ms',
    'microsecond linger.ms',
    'high linger.ms',
    'linger.ms < 1000',
    'no acks',
    'idempotence',
    'transactions',
  ],
  '0061': ['without transactions', 'with transactions'],
  '0081': [
    'do_test_unclean_destroy:',
    'do_test_CreateTopics:',
    'do_test_DeleteTopics:',
    'do_test_CreatePartitions:',
    'do_test_CreateAcls:',
    'do_test_DescribeAcls:',
    'do_test_DeleteAcls:',
    'do_test_AlterConfigs:',
    'do_test_IncrementalAlterConfigs:',
    'do_test_DescribeConfigs:',
    'do_test_DescribeConfigs_groups:',
    'do_test_DeleteRecords:',
    'do_test_ListConsumerGroups:',
    'do_test_DescribeConsumerGroups:',
    'do_test_DescribeConsumerGroups_with_authorized_ops:',
    'do_test_DescribeTopics:',
    'do_test_DescribeCluster:',
    'do_test_DeleteGroups:',
    'do_test_DeleteConsumerGroupOffsets:',
    'do_test_ListOffsets:',
    'do_test_AlterConsumerGroupOffsets:',
    'do_test_ListConsumerGroupOffsets:',
    'do_test_UserScramCredentials:',
  ],
  // Eleven minutes in all. Left out: `o_java_interop`, which wants a Java program of the suite's own.
  '0113': [
    'a_assign_tests:',
    'b_subscribe_with_cb_test:',
    'c_subscribe_no_cb_test:',
    'd_change_subscription_add_topic:',
    'e_change_subscription_remove_topic:',
    'f_assign_call_cooperative:',
    'g_incremental_assign_call_eager:',
    'h_delete_topic:',
    'i_delete_topic_2:',
    'j_delete_topic_no_rb_callback:',
    'k_add_partition:',
    'l_unsubscribe:',
    'm_unsubscribe_2:',
    'n_wildcard:',
    's_subscribe_when_rebalancing:',
    't_max_poll_interval_exceeded:',
    'use_rebalance_cb: 1, subscription_variation: 0',
    'use_rebalance_cb: 0, subscription_variation: 0',
    'use_rebalance_cb: 1, subscription_variation: 1',
    'use_rebalance_cb: 0, subscription_variation: 1',
    'use_rebalance_cb: 1, subscription_variation: 2',
    'use_rebalance_cb: 0, subscription_variation: 2',
    'v_commit_during_rebalance:',
    'x_incremental_rebalances:',
  ],
  '0137': [
    'do_test_consume_batch_with_seek:',
    'do_test_consume_batch_store_offset:',
    'do_test_consume_batch_with_pause_and_resume_different_batch:',
    'do_test_consume_batch_with_pause_and_resume_same_batch:',
    'do_test_consume_batch_control_msgs:',
    'do_test_consume_batch_eof_position:',
  ],
}

const patientServer = [
  ...servers['default']!,
  '--override',
  'group.initial.rebalance.delay.ms=3000',
]

/** They are begun first, so that the others fill the time beside them. */
const longTests = new Set('0018 0026 0033 0045 0076 0091 0094 0102 0107 0113 0122'.split(' '))

/** Changes without which a test could not tell anything about a server. */
const changes: Readonly<Record<string, Partial<Run>>> = {
  // It seeks up to ten times, waits a second of its own after each, and gives itself ten seconds.
  '0059': { config: ['test.timeout.multiplier=3'] },
  // Last comes a topic that an ACL forbids. For brokers this old the test leaves that out.
  '0109': { brokerVersion: '2.0.0' },
  // Consumers that start together must get their partitions in one rebalance.
  '0102': { server: patientServer },
  '0089': { server: patientServer },
  '0113': { server: patientServer },
  // Made for three brokers.
  '0101': { server: [...servers['default']!, '--brokers', '3'] },
}

/**
 * The tests of `test.c` that need a broker: not those that bring a broker of their own, are started
 * by hand, or are known to fail.
 */
export function plannedTests(source: string): PlannedTest[] {
  const planned = new Map<string, { number: string; scenario: string; names: string[] }>()
  const table = source.slice(source.indexOf('struct test tests[] = {'))
  for (const [, name = '', rest = ''] of table.matchAll(
    /_TEST\((\w+),([\s\S]*?)(?=_TEST\(|\{NULL\})/g,
  )) {
    if (/TEST_F_(?:LOCAL|MANUAL|KNOWN_ISSUE)\b/.test(rest) || name.endsWith('_mock')) continue
    const number = name.slice(0, name.indexOf('_'))
    const scenario = /\.scenario = "noautocreate"/.test(rest) ? 'noautocreate' : 'default'
    const key = `${number} ${scenario}`
    const known = planned.get(key)
    if (known === undefined) planned.set(key, { number, scenario, names: [name] })
    else known.names.push(name)
  }
  return [...planned.values()]
}

export function runsOf(test: PlannedTest): Run[] {
  const server = servers[test.scenario]!
  const isLong = longTests.has(test.number)
  const run = { ...test, config: [], brokerVersion, server, isLong, ...changes[test.number] }
  const own = parts[test.number]
  return own === undefined ? [run] : own.map((part) => ({ ...run, part }))
}

/** What a result is called. */
export function resultName(name: string, { part }: Run): string {
  return part === undefined ? name : `${name} ${part.replace(/^do_test_|:$/g, '')}`
}
