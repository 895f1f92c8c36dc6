/** A consumer of a group, and what it has got. */
import { newConsumer } from './clients.mjs'
import { changes, until } from './harness.mjs'

export class Member {
  records = []
  consumer
  #error
  #stream

  constructor(consumer) {
    this.consumer = consumer
    // With the consumer protocol an assignment comes with the answer to a heartbeat.
    for (const event of ['consumer:group:join', 'consumer:heartbeat:end']) {
      consumer.on(event, () => changes.emit('change'))
    }
  }

  static async join(groupId, topic, options = {}) {
    const member = new Member(newConsumer({ groupId, ...options }))
    const from = { mode: 'committed', fallbackMode: 'earliest', autocommit: false }
    member.#stream = await member.consumer.consume({ topics: [topic], ...from })
    member.#stream.on('data', (record) => {
      member.records.push(record)
      changes.emit('change')
    })
    member.#stream.on('error', (error) => {
      member.#error = error
      changes.emit('change')
    })
    return member
  }

  get partitions() {
    return this.consumer.assignments?.flatMap(({ partitions }) => partitions) ?? []
  }

  async has(count) {
    await this.until(
      () => this.partitions.length === count,
      () => `${count} partitions, but ${this.partitions}`,
    )
  }

  async until(isSo, what) {
    await until(() => this.#error !== undefined || isSo(), what)
    if (this.#error !== undefined) throw this.#error
  }

  /** Commits the last record of each of its partitions. */
  async commit() {
    const last = new Map(this.records.map((record) => [record.partition, record]))
    for (const partition of this.partitions) await last.get(partition)?.commit()
  }

  async leave() {
    await this.#stream.close()
    await this.consumer.close()
  }
}
