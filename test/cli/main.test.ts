/**
 * Goal: the command line says what it does, refuses what it does not, and its exit codes hold.
 * Method: the built program (dist/) in child processes, as a user starts it.
 */
import {
  type ChildProcess,
  type ChildProcessWithoutNullStreams,
  execFile,
  spawn,
} from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { describeConfigsApi } from '../../src/broker/api/describe-configs.ts'
import { metadataApi } from '../../src/broker/api/metadata.ts'
import { openFileLimit } from '../../src/platform/open-file-limit.ts'
import { openStore } from '../../src/store/store.ts'
import { KafkaClient } from '../support/kafka-client.ts'
import { TcpClient } from '../support/tcp-client.ts'
import { withTemporaryDirectory } from '../support/temporary-directory.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const program = `${root}/dist/cli/main.js`

type Outcome = { code: number; out: string; err: string }

function run(...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err })
    })
  })
}

/** Starts a server on any free port and waits for its start lines. */
const startServer = (data: string, ...args: string[]) =>
  startWith({}, '--port', '0', '--data', data, ...args)

async function startWith(variables: Record<string, string>, ...args: string[]) {
  const env = { ...process.env, ...variables }
  const child = spawn(process.execPath, [program, 'serve', ...args], { env })
  return { child, banner: await bannerOf(child) }
}

/** A server with one of its outputs on a device that is full. */
function spawnWithFull(stdio: ('ignore' | 'pipe' | number)[]): ChildProcessWithoutNullStreams {
  const args = [program, 'serve', '--ephemeral', '--port', '0', '--log-level', 'debug']
  return spawn(process.execPath, args, { stdio }) as ChildProcessWithoutNullStreams
}

/** What a server says when it has begun to listen. */
async function bannerOf({ stdout }: ChildProcessWithoutNullStreams): Promise<string> {
  let banner = ''
  for await (const chunk of stdout) {
    banner += String(chunk)
    if (banner.includes('kafkajs')) break
  }
  return banner
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<unknown> {
  const exited = once(child, 'exit')
  child.kill(signal)
  return (await exited)[0]
}

async function fill(data: string): Promise<void> {
  const store = await openStore(data)
  const log = await store.log('orders')
  await log.append([{ key: 'k', value: 'v1', headers: { trace: '7' } }, 'v2'], {
    compression: 'zstd',
  })
  await log.append('v3')
  await store.close()
}

describe('stratalog', () => {
  it('prints its version and its help', async () => {
    const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'))
    expect(await run('--version')).toEqual({ code: 0, out: `${version}\n`, err: '' })
    const help = await run('--help')
    expect(help.code).toBe(0)
    expect(help.out).toMatch(/serve[\s\S]*dump[\s\S]*topics[\s\S]*Exit codes/)
    expect((await run('serve', '--help')).out).toContain('--acks-all-level')
    expect((await run('help', 'dump')).out).toContain('--records')
  })

  it.each([
    [[], /no command given/],
    [['serve', '--override', 'offset.metadata.max.bytes=32768'], /whole number from 0 to 32767/],
    [
      ['serve', '--ephemeral', '--override', 'group.min.session.timeout.ms=1800001'],
      /groupMaxSessionTimeoutMs is 1800000: expected .*1800001/,
    ],
    [['frob'], /unknown command "frob": expected one of serve, dump, topics, verify, repair/],
    [['toString'], /unknown command "toString"/],
    [['serve', '--port', '70000'], /--port is "70000": expected a whole number from 0 to 65535/],
    [['serve', '--acks-all-level', 'tape'], /expected one of os, disk/],
    [['serve', '--config', 'no/such.properties'], /no\/such\.properties is not there/],
    [['serve', '--override', 'num.partitions'], /expected key=value/],
    [['serve', '--override', 'num.partition=1'], /there is no setting "num.partition"/],
    [['serve', '--ephemeral', '--data', 'd'], /--data and --ephemeral exclude each other/],
    [['serve', '--ephemeral', '--acks-all-level', 'disk'], /ephemeral data is never synced/],
    [['serve', '--data', 'a,b'], /--data has several: expected one directory/],
    [['serve', '--port', '1', '--listeners', 'A://h:1'], /--listeners and --host, --port/],
    [['serve', '--ephemeral', '--default-replication-factor', '2'], /ReplicationFactor is 2/],
    [['serve', '--frob'], /Unknown option '--frob'/],
    [['serve', './d'], /unexpected argument "\.\/d": the data directory goes with --data/],
    [['dump'], /dump takes one directory or \.log file/],
    [['verify'], /verify takes one data directory/],
    [['repair', 'a', 'b'], /repair takes one data directory/],
  ])('refuses %j with exit code 2', async (args, message) => {
    const { code, err } = await run(...args)
    expect(err).toMatch(message)
    expect(code).toBe(2)
  })
})

describe('stratalog dump and topics', () => {
  it('print batches, records and topics, for people and as JSON', async () => {
    await withTemporaryDirectory(async (data) => {
      await fill(data)
      const batches = await run('dump', `${data}/orders-0`)
      expect(batches.code).toBe(0)
      expect(batches.out).toMatch(/0–1 {2}2 records .*zstd[\s\S]*2–2 {2}1 records/)
      const records = await run('dump', '--records', '--json', `${data}/orders-0`)
      const lines = records.out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(lines.map(({ offset, value }) => [offset, value])).toEqual([
        [0, 'v1'],
        [1, 'v2'],
        [2, 'v3'],
      ])
      expect(lines[0]).toMatchObject({ key: 'k', headers: [{ key: 'trace', value: '7' }] })
      const topics = await run('topics', '--json', '--data', data)
      expect(JSON.parse(topics.out)).toMatchObject({ name: 'orders', partitions: 1, segments: 1 })
    })
  })

  it('report a damaged batch with file and position, and fail', async () => {
    await withTemporaryDirectory(async (data) => {
      await fill(data)
      const path = `${data}/orders-0/00000000000000000000.log`
      const bytes = readFileSync(path)
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)
      writeFileSync(path, bytes)
      const { code, out, err } = await run('dump', path)
      expect(code).toBe(1)
      expect(out).toContain('0–1')
      expect(err).toMatch(/checksum mismatch at byte \d+ of .*00000000000000000000\.log/)
    })
  })

  it('say which path is no data', async () => {
    const missing = await run('topics', '--data', '/nonexistent/data')
    expect(missing).toMatchObject({ code: 1, out: '' })
    expect(missing.err).toMatch(/\/nonexistent\/data: is no data directory \[ERR_STORE_FORMAT\]/)
  })
})

describe('stratalog verify and repair', () => {
  const damage = (path: string) => {
    const bytes = readFileSync(path)
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)
    writeFileSync(path, bytes)
  }

  it('find nothing in a whole directory', async () => {
    await withTemporaryDirectory(async (data) => {
      await fill(data)
      const { code, out } = await run('verify', data)
      expect(out).toMatch(
        /^2 logs, 2 segments, \d+ batches, \d+ records, .*: nothing is damaged\n$/,
      )
      expect(code).toBe(0)
      expect(await run('repair', data)).toMatchObject({ code: 0, out: 'nothing to repair\n' })
      expect(existsSync(`${data}/.kafka_cleanshutdown`)).toBe(true)
    })
  })

  it('name the damage, plan, and repair only when told to', async () => {
    await withTemporaryDirectory(async (data) => {
      await fill(data)
      const path = `${data}/orders-0/00000000000000000000.log`
      damage(path)
      const before = readFileSync(path)
      const found = await run('verify', data)
      expect(found.code).toBe(1)
      expect(found.out).toMatch(/^damage {2}checksum mismatch \(offset 2\): byte \d+ of .*\.log\n/)
      expect(found.out).toContain(`1 damage found; see: stratalog repair ${data}`)
      const [line, totals] = (await run('verify', data, '--json')).out.trim().split('\n')
      expect(JSON.parse(line as string)).toMatchObject({ path, offsets: { from: 2, to: 3 } })
      expect(JSON.parse(totals as string)).toMatchObject({ isWhole: false, isClean: true })
      const planned = await run('repair', data)
      expect(planned.code).toBe(1)
      expect(planned.out).toMatch(
        /would {2}take \d+ damaged bytes out[\s\S]*lost {2}orders-0: offset 2/,
      )
      expect(planned.out).toContain(
        `nothing was changed; to do it: stratalog repair ${data} --apply`,
      )
      expect(readFileSync(path)).toEqual(before)
      const done = await run('repair', data, '--apply')
      expect(done.out).toMatch(
        /did {2}take [\s\S]*kept it in .*\.damaged[\s\S]*repaired: \d actions\n$/,
      )
      expect(done.code).toBe(0)
      expect((await run('verify', data)).code).toBe(0)
      const store = await openStore(data)
      const log = await store.log('orders')
      expect((await log.append('v4')).offset).toBe(3)
      const offsets: number[] = []
      for await (const { offset } of log.read()) offsets.push(offset)
      expect(offsets).toEqual([0, 1, 3])
      await store.close()
    })
  })

  it('refuse a directory in use, and one that is not there', async () => {
    await withTemporaryDirectory(async (data) => {
      const { child } = await startServer(data)
      for (const command of ['verify', 'repair']) {
        const { code, err } = await run(command, data)
        expect(err).toContain(`in use by process ${child.pid} [ERR_STORE_LOCKED]`)
        expect(code).toBe(1)
        const missing = await run(command, `${data}/none`)
        expect(missing.err).toMatch(/none: is no data directory \[ERR_STORE_FORMAT\]/)
        expect(missing.code).toBe(1)
      }
      expect(await stop(child, 'SIGTERM')).toBe(0)
    })
  })
})

describe('stratalog serve', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'stops cleanly on %s and starts again',
    async (signal) => {
      await withTemporaryDirectory(async (data) => {
        const { child, banner } = await startServer(data)
        expect(banner).toMatch(/listening on 127\.0\.0\.1:\d+/)
        expect(banner).toMatch(/durability {2}acks=all → disk, acks=1 → os/)
        expect(banner).toMatch(/binding {5}(native addon|portable)/)
        expect(await stop(child, signal)).toBe(0)
        expect(existsSync(`${data}/.kafka_cleanshutdown`)).toBe(true)
        expect(readdirSync(data)).not.toContain('.lock')
        const again = await startServer(data)
        expect(await stop(again.child, 'SIGTERM')).toBe(0)
      })
    },
  )

  it('takes settings from flags, environment and file, and prints what is in effect', async () => {
    await withTemporaryDirectory(async (directory) => {
      const path = `${directory}/server.properties`
      const text = [
        `log.dirs=${directory}/data`,
        'listeners=INTERNAL://127.0.0.1:0,EXTERNAL://127.0.0.1:0',
        'num.partitions=4',
        'default.replication.factor=2',
        'log.segment.bytes=4096',
      ]
      writeFileSync(path, text.join('\n'))
      const variables = { STRATALOG_BROKERS: '3', STRATALOG_CONFIG: path, STRATALOG_FROB: '1' }
      const args = ['--print-config', '--default-partitions', '5', '--override', 'node.id=7']
      const { child, banner } = await startWith(variables, ...args)
      expect(banner).toMatch(/# from the command line\nnode.id=7\nnum.partitions=5\n/)
      expect(banner).toMatch(/# from the environment\nstratalog.brokers=3\n# from .*server.prop/)
      expect(banner).toMatch(/\ndefault.replication.factor=2\nlisteners=INTERNAL:/)
      expect(banner).toMatch(/EXTERNAL, node 9/)
      // Said plainly: it is no cluster.
      expect(banner).toMatch(/3 node ids in one process over one copy .*\n.* this one machine/)
      expect(String((await once(child.stderr, 'data'))[0])).toContain('STRATALOG_FROB')
      const port = Number(/listening on 127\.0\.0\.1:(\d+)/.exec(banner)![1])
      const client = await KafkaClient.connect(port)
      const { brokers, topics } = await client.ask(metadataApi, 12, { topics: [{ name: 't' }] })
      client.close()
      expect(brokers.map(({ nodeId }) => nodeId)).toEqual([7, 8, 9])
      expect(topics[0]!.partitions.map(({ replicaNodes }) => replicaNodes[0])).toEqual([
        7, 8, 9, 7, 8,
      ])
      expect(await stop(child, 'SIGTERM')).toBe(0)
      const store = await openStore(`${directory}/data`)
      expect([store.nodeId, store.topic('t')!.replicationFactor]).toEqual([7, 2])
      await store.close()
    })
  })

  it('takes the settings of consumer groups, which clients are told', async () => {
    const asked = {
      'group.initial.rebalance.delay.ms': '11',
      'group.min.session.timeout.ms': '12',
      'group.max.session.timeout.ms': '13000',
      'group.max.size': '14',
      'offsets.retention.minutes': '15',
      'offset.metadata.max.bytes': '16',
    }
    const { 'group.max.size': size, 'offsets.retention.minutes': minutes, ...rest } = asked
    const overrides = Object.entries(rest).flatMap(([key, value]) => [
      '--override',
      `${key}=${value}`,
    ])
    const variables = {
      STRATALOG_GROUP_MAX_SIZE: size,
      STRATALOG_OFFSETS_RETENTION_MINUTES: minutes,
    }
    const { child, banner } = await startWith(variables, '--ephemeral', '--port', '0', ...overrides)
    const port = Number(/listening on 127\.0\.0\.1:(\d+)/.exec(banner)![1])
    const client = await KafkaClient.connect(port)
    const resources = [
      { resourceType: 4, resourceName: '1', configurationKeys: Object.keys(asked) },
    ]
    const { results } = await client.ask(describeConfigsApi, 4, { resources })
    client.close()
    const told = results[0]!.configs.map(({ name, value }) => [name, value])
    expect(Object.fromEntries(told)).toEqual(asked)
    expect(await stop(child, 'SIGTERM')).toBe(0)
  })

  it.skipIf(!existsSync('/dev/full'))(
    'serves on when its log cannot be written [needs /dev/full]',
    async () => {
      const full = openSync('/dev/full', 'w')
      const child = spawnWithFull(['ignore', 'pipe', full])
      closeSync(full)
      const port = Number(/listening on \S+:(\d+)/.exec(await bannerOf(child))?.[1])
      const client = await KafkaClient.connect(port)
      for (const name of ['a', 'b']) {
        const { topics } = await client.ask(metadataApi, 12, { topics: [{ name }] })
        expect(topics[0]?.errorCode).toBe(0)
      }
      client.close()
      expect(await stop(child, 'SIGTERM')).toBe(0)
    },
  )

  it.skipIf(!existsSync('/dev/full'))(
    'serves also when nobody can read its start lines [needs /dev/full]',
    async () => {
      const full = openSync('/dev/full', 'w')
      const child = spawnWithFull(['ignore', full, 'pipe'])
      closeSync(full)
      const line = String((await once(child.stderr, 'data'))[0])
      expect(JSON.parse(line)).toMatchObject({ msg: 'the start lines could not be printed' })
      expect(await stop(child, 'SIGTERM')).toBe(0)
    },
  )

  it.skipIf(openFileLimit() === undefined)(
    'refuses, and says so, the connections it has no descriptors for, and goes on [needs /proc/self/limits]',
    async () => {
      await withTemporaryDirectory(async (data) => {
        const limited = ['-c', 'ulimit -n 160 && exec "$@"', 'sh', process.execPath, program]
        const child = spawn('sh', [...limited, 'serve', '--port', '0', '--data', data])
        const banner = await bannerOf(child)
        const port = Number(/listening on \S+:(\d+)/.exec(banner)?.[1])
        const early = await KafkaClient.connect(port)
        const refused = once(child.stderr, 'data')
        const crowd = await Promise.all(Array.from({ length: 200 }, () => TcpClient.connect(port)))
        expect(JSON.parse(String(await refused))).toMatchObject({
          maxConnections: 96,
          msg: 'connections refused: too many are open',
        })
        const topics = Array.from({ length: 60 }, (_, i) => ({ name: `topic-${i}` }))
        const { topics: made } = await early.ask(metadataApi, 4, {
          topics,
          allowAutoTopicCreation: true,
        })
        expect(made.map(({ errorCode }) => errorCode)).toEqual(topics.map(() => 0))
        for (const one of crowd) one.close()
        early.close()
        expect(await stop(child, 'SIGTERM')).toBe(0)
      })
    },
  )

  it('leaves nothing behind when it is ephemeral', async () => {
    const { child, banner } = await startWith({}, '--ephemeral', '--port', '0')
    const [, data = ''] = /data +(\S+) \(ephemeral/.exec(banner) ?? []
    expect(existsSync(`${data}/meta.properties`)).toBe(true)
    expect(await stop(child, 'SIGTERM')).toBe(0)
    expect(existsSync(data)).toBe(false)
  })

  it('says who has the directory', async () => {
    await withTemporaryDirectory(async (data) => {
      const { child } = await startServer(data)
      const second = await run('serve', '--port', '0', '--data', data)
      expect(second.code).toBe(1)
      expect(second.err).toContain(`in use by process ${child.pid} [ERR_STORE_LOCKED]`)
      await stop(child, 'SIGTERM')
    })
  })

  it('says when the port is taken, and leaves the directory clean', async () => {
    await withTemporaryDirectory(async (data) => {
      const taken = createServer().listen(0, '127.0.0.1')
      await once(taken, 'listening')
      const { port } = taken.address() as { port: number }
      const { code, err } = await run('serve', '--port', String(port), '--data', data)
      taken.close()
      expect(code).toBe(1)
      expect(err).toMatch(/EADDRINUSE|in use/)
      expect(existsSync(`${data}/.kafka_cleanshutdown`)).toBe(true)
    })
  })

  it('says when the data directory cannot be made', async () => {
    await withTemporaryDirectory(async (directory) => {
      writeFileSync(`${directory}/file`, '')
      const { code, err } = await run('serve', '--port', '0', '--data', `${directory}/file/data`)
      expect(code).toBe(1)
      expect(err).toContain('[ERR_STORAGE]')
    })
  })
})
