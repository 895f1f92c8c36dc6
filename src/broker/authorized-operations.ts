/**
 * "Which operations may I do here": a bit set over the protocol's operation codes. Nobody is
 * refused anything as long as there is no authorizer.
 */
const read = 3
const write = 4
const create = 5
const remove = 6
const alter = 7
const describe = 8
const clusterAction = 9
const describeConfigs = 10
const alterConfigs = 11
const idempotentWrite = 12

const bits = (...operations: number[]): number =>
  operations.reduce((set, operation) => set | (1 << operation), 0)

/** For a client that did not ask. */
export const operationsNotAsked = -2_147_483_648

export const topicOperations: number = bits(
  ...[read, write, create, remove, alter, describe, describeConfigs, alterConfigs],
)

export const clusterOperations: number = bits(
  ...[create, alter, describe, clusterAction, describeConfigs, alterConfigs, idempotentWrite],
)

export const groupOperations: number = bits(read, remove, describe)
