// Covers server-config.ts, server-settings.ts, properties-file.ts and listener-settings.ts.
// Goal: the first place that has a setting decides; whatever is wrong is told with its place; what
//       is printed is what is in effect, and can be used as a file.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { UsageError } from '../../src/cli/arguments.ts'
import { type ListenerFlags, listenersOf } from '../../src/cli/listener-settings.ts'
import { formatProperty, parseProperties } from '../../src/cli/properties-file.ts'
import {
  type ConfigSource,
  environmentSource,
  fileSource,
  ServerConfig,
} from '../../src/cli/server-config.ts'
import { environmentName, serverSettings, settingAliases } from '../../src/cli/server-settings.ts'

const flags = (values: Record<string, string>): ConfigSource => ({
  title: 'the command line',
  assignments: Object.entries(values).map(([name, value]) => ({
    name,
    value,
    origin: `--override ${name}`,
  })),
})
const file = (text: string) => fileSource(text, 'a.properties')

describe('a properties file', () => {
  it.each([
    ['a=1\nb: 2\nc 3', { a: '1', b: '2', c: '3' }],
    ['# a=1\n  ! b=2\n\n   c = x = y  \r\nd=', { c: 'x = y', d: '' }],
    ['list=a,\\\n     b,\\\r\n  c\nnext=1', { list: 'a,b,c', next: '1' }],
    ['path=C:\\\\logs\\ttab\nkey\\=is=v\\u0041', { path: 'C:\\logs\ttab', 'key=is': 'vA' }],
    ['end=a\\', { end: 'a' }],
    ['\ufeffa=1', { a: '1' }],
  ])('%j is read as Java reads it', (text, expected) => {
    const found = parseProperties(text, 'f').map(({ key, value }) => [key, value])
    expect(Object.fromEntries(found)).toEqual(expected)
  })

  it.each([
    ['=1', 'f line 1: expected key=value'],
    ['a=1\n\nb=2\na=3', 'f line 4: a stands in line 1 too'],
    ['a=\\u00zz', 'f line 1: \\u without four hex digits'],
  ])('%j is refused with its line', (text, message) => {
    expect(() => parseProperties(text, 'f')).toThrow(new UsageError(message))
  })

  it.each(['', 'plain', ' led', 'C:\\a', 'two\nlines\tand'])('carries %j', (value) => {
    const [property] = parseProperties(formatProperty('k', value), 'f')
    expect(property).toMatchObject({ key: 'k', value })
  })
})

describe('a setting', () => {
  const sources = [
    flags({ 'num.partitions': '2' }),
    environmentSource({ STRATALOG_NUM_PARTITIONS: '3', STRATALOG_BROKERS: '3' }),
    file('num.partitions=4\nstratalog.brokers=4\nfetch.max.bytes=4096'),
  ]

  it('comes from the command line, the environment, the file or the defaults', () => {
    const config = new ServerConfig(sources)
    const names = ['num.partitions', 'stratalog.brokers', 'fetch.max.bytes', 'max.connections']
    expect(names.map((name) => config.integer(name))).toEqual([2, 3, 4096, 10_000])
  })

  it('has one variable, of a name that no other has', () => {
    const names = [...serverSettings, ...settingAliases].map(({ name }) => environmentName(name))
    expect(new Set(names).size).toBe(names.length)
    expect(environmentName('log.dirs')).toBe('STRATALOG_LOG_DIRS')
    expect(environmentName('stratalog.acks.all.level')).toBe('STRATALOG_ACKS_ALL_LEVEL')
  })

  it('may go by another name, in another unit', () => {
    const config = new ServerConfig([file('log.retention.hours=168\nlog.dir=d\nbroker.id=7')])
    expect(config.topicDefaults()).toEqual({ 'retention.ms': '604800000' })
    expect([config.text('log.dirs'), config.integer('node.id')]).toEqual(['d', 7])
    const endless = new ServerConfig([file('log.retention.hours=-1')])
    expect(endless.topicDefaults()).toEqual({ 'retention.ms': '-1' })
  })

  it.each<[ConfigSource[], string]>([
    [[file('\nnum.partition=1')], 'a.properties line 2: num.partition: there is no setting'],
    [[file('retention.ms=1')], 'did you mean log.retention.ms?'],
    [[file('num.partitions=many')], 'line 1: num.partitions is "many": expected a whole number'],
    [[file('num.partitions=0')], 'expected a whole number from 1 to 100000'],
    [[file('auto.create.topics.enable=yes')], 'expected true or false'],
    [[file('log.segment.bytes=12')], 'is "12": expected a whole number from 1024'],
    [[file('log.retention.hours=week')], 'line 1: log.retention.hours is "week"'],
    [[file('log.dirs=')], 'log.dirs is "": expected some text'],
    [
      [file('log.retention.ms=1\nlog.retention.hours=1')],
      'a.properties line 1: log.retention.ms and a.properties line 2: log.retention.hours set one',
    ],
    [
      [environmentSource({ STRATALOG_NUM_PARTITIONS: 'x' })],
      'STRATALOG_NUM_PARTITIONS is "x": expected',
    ],
    // What another place overrides must be right all the same.
    [[flags({ 'num.partitions': '1' }), file('num.partitions=x')], 'a.properties line 1'],
  ])('is refused with its place: %#', (wrong, message) => {
    expect(() => new ServerConfig(wrong)).toThrow(UsageError)
    expect(() => new ServerConfig(wrong)).toThrow(message)
  })

  it('is not taken from variables that only look alike', () => {
    const { assignments, unknown } = environmentSource({
      STRATALOG_PORT: 'tcp://10.0.0.1:9092',
      STRATALOG_PORT_9092_TCP_ADDR: '10.0.0.1',
      STRATALOG_SERVICE_HOST: '10.0.0.1',
      STRATALOG_CHECKS: '1',
      STRATALOG_NUM_PARTITION: '3',
      PATH: '/bin',
    })
    expect(assignments).toEqual([])
    expect(unknown).toEqual(['STRATALOG_NUM_PARTITION'])
  })

  it('is printed with where it comes from, in the format of a file', () => {
    const config = new ServerConfig(sources)
    config.derive('node.id', '1')
    const printed = config.format()
    expect(printed).toMatch(/# from the command line\nnum.partitions=2\n# from the environment\n/)
    expect(printed).toMatch(/# from a.properties\nfetch.max.bytes=4096\n# from the defaults\n/)
    expect(printed).toContain('#broker.rack=')
    const again = new ServerConfig([fileSource(printed, 'printed')])
    for (const { name } of serverSettings) expect(again.text(name)).toBe(config.text(name))
  })

  it('is documented', () => {
    const document = readFileSync(new URL('../../docs/server-config.md', import.meta.url), 'utf8')
    for (const { name, flag } of serverSettings) {
      expect(document).toContain(`\`${name}\``)
      if (flag !== undefined) expect(document).toMatch(new RegExp(`\`--(no-)?${flag}\``))
    }
    for (const { name } of settingAliases) expect(document).toContain(`\`${name}\``)
  })
})

describe('listeners', () => {
  const listeners = (text: string, given: ListenerFlags = {}) =>
    listenersOf(new ServerConfig([file(text)]), given)

  it('are read as Kafka writes them', () => {
    const text = `
      listeners=INTERNAL://:9092, EXTERNAL://[::1]:9094
      advertised.listeners=EXTERNAL://log.example.com:19094
      listener.security.protocol.map=INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT,OTHER:SSL`
    expect(listeners(text)).toEqual([
      { name: 'INTERNAL', host: '0.0.0.0', port: 9092 },
      {
        name: 'EXTERNAL',
        host: '::1',
        port: 9094,
        advertisedHost: 'log.example.com',
        advertisedPort: 19094,
      },
    ])
    expect(listeners('')).toEqual([{ name: 'PLAINTEXT', host: '127.0.0.1', port: 9092 }])
  })

  it('are changed by the flags for one', () => {
    expect(listeners('listeners=A://a:1', { port: 2, advertisedHost: 'b' })).toEqual([
      { name: 'A', host: 'a', port: 2, advertisedHost: 'b' },
    ])
    expect(() => listeners('listeners=A://a:1,B://b:2', { port: 3 })).toThrow(
      /describe one listener, and a.properties line 1: listeners has 2/,
    )
  })

  it.each([
    ['listeners=9092', /has "9092": expected NAME:\/\/host:port/],
    ['listeners=A://h:70000', /expected NAME:\/\/host:port/],
    ['listeners=A://h:1,A://h:2', /two listeners of the name A/],
    ['listeners=A://h:1\nadvertised.listeners=B://h:1', /has B, which is not one of the listeners/],
    ['advertised.listeners=PLAINTEXT://0.0.0.0:1', /no client can connect to that/],
    ['advertised.listeners=PLAINTEXT://h:0', /no client can connect to that/],
    ['listeners=SSL://h:1', /listener SSL asks for SSL, which is not served/],
    ['listeners=A://h:1\nlistener.security.protocol.map=A:SASL_SSL', /asks for SASL_SSL/],
    ['listener.security.protocol.map=A:TLS', /has "A:TLS": expected NAME:PROTOCOL/],
  ])('%j are refused', (text, message) => {
    expect(() => listeners(text)).toThrow(UsageError)
    expect(() => listeners(text)).toThrow(message)
  })
})
