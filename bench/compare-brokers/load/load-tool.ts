/** What a load generator is asked for, whatever protocol it speaks. */

export type TopicPlan = {
  readonly topic: string
  readonly partitions: number
  /** Records of it are synced before they are acknowledged, where that is a setting of the topic. */
  readonly isSynced: boolean
}

export type ProducePlan = {
  readonly topic: string
  readonly records: number
  readonly valueBytes: number
  /** 1, or -1 for all. */
  readonly acks: 1 | -1
  /** Processes that produce at the same time; they share the records. */
  readonly producers: number
  /** Each producer waits for the acknowledgement of a record before it sends the next. */
  readonly isOneByOne: boolean
  /** Every record to any partition, instead of some milliseconds to the same one. */
  readonly isSpread: boolean
  readonly core: number | undefined
  /** Records a second that are sent; undefined for as many as it can. */
  readonly rate: number | undefined
}

export type ConsumePlan = {
  readonly topic: string
  readonly partitions: number
  /** Each consumer reads all of them, from the first on. */
  readonly records: number
  readonly consumers: number
  readonly core: number | undefined
}

/** What was done; the time begins with the first record and ends with the last acknowledgement. */
export type LoadResult = {
  readonly records: number
  readonly bytes: number
  readonly seconds: number
  /** Of one record each, from the call to its acknowledgement; only where it was asked for. */
  readonly latenciesMs?: Float64Array
  /** Produced before the time began, by a client that is slow until it is compiled; none where absent. */
  readonly warmUpRecords?: number
}

/** Every method throws when a record failed or was not there. */
export interface LoadTool {
  /** For the rows: which program it is. */
  readonly name: string
  createTopic(plan: TopicPlan): Promise<void>
  deleteTopic(topic: string): Promise<void>
  produce(plan: ProducePlan): Promise<LoadResult>
  consume(plan: ConsumePlan): Promise<LoadResult>
}

/** What W2 is, to be changed in places. */
export const kibibyteRecords = {
  valueBytes: 1024,
  acks: 1,
  producers: 1,
  isOneByOne: false,
  isSpread: false,
  rate: undefined,
} as const
