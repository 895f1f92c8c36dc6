/**
 * The addresses a server listens on: its listeners, each with a name and what its clients are told
 * to connect to, times its node ids. Node i of a listener listens on the listener's port + i, or
 * on any free one when that is 0; the advertised port, where one is given, counts up alike.
 */
import { InvalidOptionError } from '../base/errors.ts'
import { integerOption, knownOptions, stringOption } from '../base/option-fields.ts'
import type { BrokerEndpoint, ListenerContext } from '../broker/frame-handler.ts'

export type ListenerOptions = {
  /** Letters, digits, `_`, `.` and `-`. Default PLAINTEXT. */
  readonly name?: string
  /** Address to listen on. Default 127.0.0.1: only this machine. */
  readonly host?: string
  /** Default 9092; 0 = any free port. */
  readonly port?: number
  /** What clients are told to connect to. Default: `host` and the port listened on. */
  readonly advertisedHost?: string
  readonly advertisedPort?: number
}

export type Listener = {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly advertisedHost: string | undefined
  readonly advertisedPort: number | undefined
}

/** One address listened on. */
export type Endpoint = {
  readonly listener: Listener
  readonly nodeId: number
  /** The port bound; before that, the one asked for. */
  readonly port: number
}

const maxPort = 65_535
const names: readonly (keyof ListenerOptions)[] = [
  'name',
  'host',
  'port',
  'advertisedHost',
  'advertisedPort',
]

/** @throws InvalidOptionError: also when two addresses of this server would be one. */
export function checkListeners(
  listeners: readonly ListenerOptions[],
  nodeCount: number,
): Listener[] {
  if (!Array.isArray(listeners) || listeners.length === 0) {
    const expected = 'a list of one or more listeners'
    throw new InvalidOptionError({ option: 'listeners', value: listeners, expected })
  }
  const checked = listeners.map((listener, index) => checkListener(listener, index, nodeCount))
  for (const [index, listener] of checked.entries()) {
    const earlier = checked.slice(0, index)
    if (earlier.some(({ name }) => name === listener.name)) {
      const expected = 'a name of its own for every listener'
      throw new InvalidOptionError({ option: 'listeners.name', value: listener.name, expected })
    }
    if (earlier.some((other) => doOverlap(other, listener, nodeCount))) {
      const expected = `a port of its own for every listener and each of ${nodeCount} nodes`
      throw new InvalidOptionError({ option: 'listeners.port', value: listener.port, expected })
    }
  }
  return checked
}

function checkListener(options: ListenerOptions, index: number, nodeCount: number): Listener {
  knownOptions(`listeners[${index}]`, options, names)
  const { advertisedPort } = options
  // The last node's port must be one too.
  const max = maxPort - nodeCount + 1
  return {
    name: stringOption('listeners.name', options.name, {
      default: 'PLAINTEXT',
      pattern: /^[A-Za-z0-9_.-]{1,100}$/,
      expected: '1–100 letters, digits, _, . and -',
    }),
    host: stringOption('host', options.host, { default: '127.0.0.1' }),
    port: integerOption('port', options.port, { default: 9092, min: 0, max }),
    advertisedHost: stringOption('advertisedHost', options.advertisedHost, { default: undefined }),
    advertisedPort:
      advertisedPort === undefined
        ? undefined
        : integerOption('advertisedPort', advertisedPort, { default: 0, min: 1, max }),
  }
}

function doOverlap(a: Listener, b: Listener, nodeCount: number): boolean {
  if (a.port === 0 || b.port === 0 || Math.abs(a.port - b.port) >= nodeCount) return false
  return a.host === b.host || isWildcard(a.host) || isWildcard(b.host)
}

/** Every address to listen on: all nodes of the first listener, then of the next. */
export function endpointsOf(
  listeners: readonly Listener[],
  nodeIds: readonly number[],
): Endpoint[] {
  return listeners.flatMap((listener) =>
    nodeIds.map((nodeId, i) => ({
      listener,
      nodeId,
      port: listener.port === 0 ? 0 : listener.port + i,
    })),
  )
}

/**
 * What a client that came to `endpoint` is told.
 *
 * @param bound        every endpoint of the server.
 * @param localAddress the address the client connected to, for listeners on all addresses.
 */
export function listenerContext(
  endpoint: Endpoint,
  bound: readonly Endpoint[],
  localAddress: string | undefined,
): ListenerContext {
  const { listener, nodeId } = endpoint
  const boundHost = isWildcard(listener.host) ? plain(localAddress) : listener.host
  const host = listener.advertisedHost ?? boundHost ?? listener.host
  const brokers = bound
    .filter((other) => other.listener === listener)
    .map((other, i): BrokerEndpoint => {
      const { advertisedPort } = listener
      const port = advertisedPort === undefined ? other.port : advertisedPort + i
      return { nodeId: other.nodeId, host, port }
    })
  const self = brokers.find((broker) => broker.nodeId === nodeId) as BrokerEndpoint
  return { name: listener.name, ...self, brokers }
}

/** An IPv4 address as such, also where it came through an IPv6 socket. */
function plain(address: string | undefined): string | undefined {
  return address?.replace(/^::ffff:(?=\d+\.)/, '')
}

export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::' || host === ''
}

/** `host:port`, with brackets around an IPv6 address. */
export function addressOf(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
