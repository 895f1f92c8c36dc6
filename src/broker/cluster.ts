/**
 * The nodes of this cluster: one or more broker ids over one store and in one process. Partitions
 * are led by them in turn, and all replicas are in sync, because there is only one copy: several
 * ids serve what insists on several brokers and make nothing more durable.
 *
 * Any node carries out any request: that a client comes to another than the leader is no error.
 */
import { assert } from '../base/assert.ts'
import type { Topic } from '../store/topic.ts'

/** Largest node id. */
export const maxNodeId = 0x7fff_ffff

export class Cluster {
  /** Ascending and consecutive; the first is the controller. */
  readonly nodeIds: readonly number[]

  constructor(firstNodeId: number, nodeCount: number) {
    assert(nodeCount >= 1 && firstNodeId + nodeCount - 1 <= maxNodeId, 'every node has an id')
    this.nodeIds = Array.from({ length: nodeCount }, (_, i) => firstNodeId + i)
  }

  get controllerId(): number {
    return this.nodeIds[0] as number
  }

  get size(): number {
    return this.nodeIds.length
  }

  has(nodeId: number): boolean {
    return this.nodeIds.includes(nodeId)
  }

  /** Whether a resource is named after one of the nodes. */
  isNodeName(name: string): boolean {
    return this.nodeIds.some((nodeId) => String(nodeId) === name)
  }

  /** Nodes that have a partition, the leader first. Nodes there were once are left out. */
  replicasOf(topic: Topic, partition: number): readonly number[] {
    const assigned = topic.assignments?.[partition]?.filter((nodeId) => this.has(nodeId)) ?? []
    if (assigned.length > 0) return assigned
    const count = Math.min(topic.replicationFactor, this.size)
    return Array.from(
      { length: count },
      (_, i) => this.nodeIds[(partition + i) % this.size] as number,
    )
  }

  /** What is wrong with a list of replicas; undefined when nothing is. */
  faultOf(replicas: readonly number[]): string | undefined {
    if (replicas.length === 0) return 'an empty list of replicas'
    if (new Set(replicas).size < replicas.length) return `replicas ${replicas}: one stands twice`
    const unknown = replicas.find((nodeId) => !this.has(nodeId))
    if (unknown === undefined) return undefined
    return `replica ${unknown}: the nodes are ${this.nodeIds.join(', ')}`
  }
}
