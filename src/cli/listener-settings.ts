/**
 * The listeners of a server as Kafka writes them: `NAME://host:port,…` for the addresses to listen
 * on, the same for what clients are told, and which protocol each name stands for.
 */
import type { ListenerOptions } from '../net/listeners.ts'
import { UsageError } from './arguments.ts'
import type { ServerConfig } from './server-config.ts'

type Address = { readonly name: string; readonly host: string; readonly port: number }

/** Flags that describe one listener, and go before what other places say of it. */
export type ListenerFlags = {
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly advertisedHost?: string | undefined
  readonly advertisedPort?: number | undefined
}

/** @throws UsageError. */
export function listenersOf(config: ServerConfig, flags: ListenerFlags): ListenerOptions[] {
  const origin = config.originOf('listeners')
  const addresses = parseAddresses(config.required('listeners'), origin)
  checkProtocols(config, addresses)
  const advertised = advertisedAddresses(config, addresses)
  const given = Object.values(flags).filter((flag) => flag !== undefined)
  if (given.length > 0 && addresses.length > 1) {
    throw new UsageError(
      `--host, --port and --advertised-… describe one listener, and ${origin} has ${addresses.length}: change it with --listeners`,
    )
  }
  return addresses.map(({ name, host, port }) => {
    const told = advertised.get(name)
    const advertisedHost = flags.advertisedHost ?? told?.host
    const advertisedPort = flags.advertisedPort ?? told?.port
    return {
      name,
      host: flags.host ?? host,
      port: flags.port ?? port,
      ...(advertisedHost === undefined ? {} : { advertisedHost }),
      ...(advertisedPort === undefined ? {} : { advertisedPort }),
    }
  })
}

function parseAddresses(list: string, origin: string): Address[] {
  const addresses = list.split(',').map((item) => parseAddress(item.trim(), origin))
  for (const [index, { name }] of addresses.entries()) {
    if (addresses.findIndex((other) => other.name === name) < index) {
      throw new UsageError(`${origin} has two listeners of the name ${name}`)
    }
  }
  return addresses
}

/** An empty host means all addresses, as in Kafka. */
function parseAddress(item: string, origin: string): Address {
  const match = /^([A-Za-z0-9_.-]+):\/\/(\[[0-9a-fA-F:.]+\]|[^:/[\]]*):(\d{1,5})$/.exec(item)
  const [, name = '', bracketed = '', digits = ''] = match ?? []
  const port = Number(digits)
  if (match === null || port > 65_535) {
    throw new UsageError(`${origin} has ${JSON.stringify(item)}: expected NAME://host:port`)
  }
  const host = bracketed.replace(/^\[|\]$/g, '')
  return { name, host: host === '' ? '0.0.0.0' : host, port }
}

function advertisedAddresses(
  config: ServerConfig,
  addresses: readonly Address[],
): ReadonlyMap<string, Address> {
  const list = config.text('advertised.listeners')
  if (list === undefined) return new Map()
  const origin = config.originOf('advertised.listeners')
  const advertised = parseAddresses(list, origin)
  for (const { name, host, port } of advertised) {
    if (addresses.every((listener) => listener.name !== name)) {
      throw new UsageError(`${origin} has ${name}, which is not one of the listeners`)
    }
    if (host === '0.0.0.0' || host === '::' || port === 0) {
      throw new UsageError(`${origin} has ${name}://${host}:${port}: no client can connect to that`)
    }
  }
  return new Map(advertised.map((address) => [address.name, address]))
}

const protocols = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL']

/** A name stands for the protocol it is mapped to, or that it spells. */
function checkProtocols(config: ServerConfig, addresses: readonly Address[]): void {
  const origin = config.originOf('listener.security.protocol.map')
  const map = new Map<string, string>()
  for (const item of config.text('listener.security.protocol.map')?.split(',') ?? []) {
    const [, name, protocol] = /^\s*([A-Za-z0-9_.-]+):(\w+)\s*$/.exec(item) ?? []
    if (name === undefined || protocol === undefined || !protocols.includes(protocol)) {
      const expected = `NAME:PROTOCOL, with one of ${protocols.join(', ')}`
      throw new UsageError(`${origin} has ${JSON.stringify(item)}: expected ${expected}`)
    }
    map.set(name, protocol)
  }
  for (const { name } of addresses) {
    const protocol = map.get(name) ?? (protocols.includes(name) ? name : 'PLAINTEXT')
    if (protocol !== 'PLAINTEXT') {
      throw new UsageError(
        `listener ${name} asks for ${protocol}, which is not served: PLAINTEXT is`,
      )
    }
  }
}
