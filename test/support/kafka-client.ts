/** A Kafka client of the smallest kind: one connection, the broker's own schemas read backwards. */
import { fetchApi } from '../../src/broker/api/fetch.ts'
import {
  type Api,
  type RequestInputOf,
  type ResponseOf,
  readResponse,
  writeRequest,
} from '../../src/protocol/api.ts'
import { TcpClient } from './tcp-client.ts'
import { wholeFrame } from './wire-frame.ts'

export class KafkaClient {
  readonly tcp: TcpClient
  #correlationId = 0

  static async connect(port: number): Promise<KafkaClient> {
    return new KafkaClient(await TcpClient.connect(port))
  }

  constructor(tcp: TcpClient) {
    this.tcp = tcp
  }

  /** Sends a request and reads its answer; several may be under way. */
  async ask<A extends Api>(
    api: A,
    version: number,
    body: RequestInputOf<A>,
  ): Promise<ResponseOf<A>> {
    const correlationId = this.tell(api, version, body)
    const answer = readResponse(api, version, await this.tcp.receive())
    if (answer.correlationId !== correlationId) {
      throw new Error(`answer ${answer.correlationId} where ${correlationId} was due`)
    }
    return answer.body
  }

  /** Sends a request that gets no answer, or whose answer is read by hand. */
  tell<A extends Api>(api: A, version: number, body: RequestInputOf<A>): number {
    const correlationId = ++this.#correlationId
    const header = { apiVersion: version, correlationId, clientId: 'test' }
    this.tcp.sendRaw(wholeFrame(writeRequest(api, header, body)))
    return correlationId
  }

  /** Fetches one partition and gives its part of the answer. */
  async fetchOne(
    version: number,
    body: RequestInputOf<typeof fetchApi>,
  ): Promise<ResponseOf<typeof fetchApi>['responses'][number]['partitions'][number]> {
    const { responses } = await this.ask(fetchApi, version, body)
    return responses[0]!.partitions[0]!
  }

  /** Ends our side; the server closes its own after its last answer. */
  end(): void {
    this.tcp.socket.end()
  }

  close(): void {
    this.tcp.close()
  }
}
