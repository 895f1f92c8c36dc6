/**
 * The tests of franz-go's client package: groups with members that come and go while records are
 * copied from topic to topic, none lost and none twice; issues that its users once had.
 */
import { type GoModule, goTest, installGoModule } from '../support/go-test.ts'
import type { Suite } from '../support/suite.ts'

const kgo: GoModule = { package: 'github.com/twmb/franz-go/pkg/kgo', version: 'v1.21.5' }

/**
 * Tests that wait for ever for what is not served: left out, each with an entry in
 * expectations.json. `TestTxnEtl` wants transactions.
 */
const leftOut = ['TestTxnEtl']

export const suite: Suite = {
  name: 'franz-go',
  tools: ['go'],
  fast: true,
  async run(context) {
    const server = await context.server()
    const results = await goTest(context, {
      cwd: await installGoModule(context, kgo),
      package: kgo.package,
      env: {
        KGO_SEEDS: server.address,
        KGO_TEST_RF: '1',
        KGO_TEST_RECORDS: '50000',
      },
      flags: [`-skip=^(${leftOut.join('|')})$`],
      limitMs: 600_000,
    })
    const left = leftOut.map((name) => ({ name, outcome: 'skipped' as const }))
    return context.extra.length === 0 ? [...results, ...left] : results
  },
}
