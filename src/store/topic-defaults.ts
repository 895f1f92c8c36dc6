/**
 * What topics get that do not set it themselves, under the names topics have for it. What was given
 * while the store was in use goes before what it was opened with: first what was given for this
 * node, then what was given for the whole cluster, as Kafka's dynamic settings of brokers.
 */

/** For whom defaults can be given while the store is in use. */
export type DefaultsScope = 'node' | 'cluster'

export type Defaults = Readonly<Record<string, string>>

export const defaultsScopes: readonly DefaultsScope[] = ['node', 'cluster']

export class TopicDefaults {
  readonly node: Defaults
  readonly cluster: Defaults
  /** What the store was opened with. */
  readonly started: Defaults

  constructor(layers: { node?: Defaults; cluster?: Defaults; started: Defaults }) {
    this.node = layers.node ?? {}
    this.cluster = layers.cluster ?? {}
    this.started = layers.started
  }

  /** Those in effect. */
  get effective(): Defaults {
    return { ...this.started, ...this.cluster, ...this.node }
  }

  with(scope: DefaultsScope, defaults: Defaults): TopicDefaults {
    const { node, cluster, started } = this
    return new TopicDefaults({ node, cluster, started, [scope]: defaults })
  }
}
