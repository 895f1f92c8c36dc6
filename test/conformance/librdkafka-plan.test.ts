// Goal: every test of librdkafka's table that needs a broker is run once, in the scenario it wants,
// and no other.
// Method: a table as in its source, and what is planned for it.
import { describe, expect, it } from 'vitest'
import { plannedTests, resultName, runsOf } from '../../conformance/librdkafka/plan.ts'

const table = `
_TEST_DECL(0001_declared);
struct test tests[] = {
    {.name = "<MAIN>", .flags = TEST_F_LOCAL},
    _TEST(0000_unittests,
          TEST_F_LOCAL,
          _THRES(.ucpu = 100.0, .scpu = 20.0)),
    _TEST(0001_multiobj, 0),
    _TEST(0045_subscribe_update, 0, TEST_BRKVER(0, 9, 0, 0)),
    _TEST(0045_topic_remove,
          0,
          TEST_BRKVER(0, 9, 0, 0),
          .scenario = "noautocreate"),
    _TEST(0045_resubscribe, 0, TEST_BRKVER(0, 9, 0, 0)),
    _TEST(0047_partial_buf_tmout, TEST_F_KNOWN_ISSUE),
#if WITH_SOCKEM
    _TEST(0049_consume_conn_close, TEST_F_SOCKEM, TEST_BRKVER(0, 9, 0, 0)),
#endif
    _TEST(0055_producer_latency, TEST_F_KNOWN_ISSUE_WIN32),
    _TEST(0103_transactions, 0, .scenario = "default,ak23"),
    _TEST(0150_telemetry_mock, 0),
    _TEST(8000_idle, TEST_F_MANUAL),

    {NULL}};
`

describe('the plan of librdkafka’s tests', () => {
  it('has those that need a broker, by number and scenario', () => {
    const planned = plannedTests(table)
    expect(planned.map(({ number, scenario, names }) => [number, scenario, ...names])).toEqual([
      ['0001', 'default', '0001_multiobj'],
      ['0045', 'default', '0045_subscribe_update', '0045_resubscribe'],
      ['0045', 'noautocreate', '0045_topic_remove'],
      ['0049', 'default', '0049_consume_conn_close'],
      ['0055', 'default', '0055_producer_latency'],
      ['0103', 'default', '0103_transactions'],
    ])
  })

  it('runs some part by part, under names of their own', () => {
    const [plain, parted] = ['0001_multiobj', '0055_producer_latency'].map((name) => {
      const test = plannedTests(table).find(({ names }) => names.includes(name))!
      return runsOf(test).map((run) => resultName(name, run))
    })
    expect(plain).toEqual(['0001_multiobj'])
    expect(parted).toContain('0055_producer_latency transactions')
    expect(new Set(parted).size).toBe(parted!.length)
  })

  it('gives each scenario its server', () => {
    const servers = plannedTests(table).flatMap(runsOf)
    const withoutCreation = servers.filter(({ server }) =>
      server.includes('--no-auto-create-topics'),
    )
    expect(withoutCreation.map(({ names }) => names)).toEqual([['0045_topic_remove']])
  })
})
