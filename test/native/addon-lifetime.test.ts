/**
 * The addon beyond one environment: worker threads load it again and are ended in the middle of
 * things; a process exits with work in flight; garbage buffers give their mapping back. Goal: never
 * a crash. Method: small programs run in workers and child processes, and must end as told.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dropFromCache } from '../../bench/support/page-cache.ts'
import { loadAddon } from '../../src/native/load-binding.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const mebibyte = 1024 * 1024

let isLoadable = true
try {
  loadAddon()
} catch {
  isLoadable = false
}

/** Common start of every program: the addon, a 64 MiB file, and a socket whose peer never reads. */
const prologue = `
  const fs = require('node:fs')
  const net = require('node:net')
  const binding = require(${JSON.stringify(`${root}/node_modules/node-gyp-build`)})(${JSON.stringify(root)})
  const { parentPort } = require('node:worker_threads')
  const [port, path] = (process.env.ADDON_TEST ?? '').split('|')
  const fd = fs.openSync(path, 'r+')
  const region = binding.map(fd, ${64 * mebibyte})
  const view = new Uint8Array(region)
  const stuck = net.connect(Number(port), '127.0.0.1')
  const sendUntilStuck = (then) => stuck.once('connect', () => {
    stuck.on('error', () => {})
    binding.sendFile({ fd: stuck._handle.fd }, fd, 0, ${64 * mebibyte}, () => {
      throw new Error('the transfer cannot end')
    })
    let turns = 0
    const turn = () => (++turns < 20 ? setImmediate(turn) : then())
    turn()
  })
`

describe.skipIf(!isLoadable)('lifetime of the addon [skipped where it does not load]', () => {
  const directory = makeTemporaryDirectory()
  const path = `${directory.path}/large`
  let server: Server
  let environment: NodeJS.ProcessEnv

  beforeAll(async () => {
    writeFileSync(path, Buffer.alloc(64 * mebibyte, 5))
    server = createServer({ pauseOnConnect: true }, (socket) => socket.on('error', () => {}))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    environment = { ...process.env, ADDON_TEST: `${port}|${path}` }
  })

  afterAll(() => {
    server.close()
    directory.remove()
  })

  const startWorker = (program: string) =>
    new Worker(prologue + program, { eval: true, env: environment })

  const runProcess = async (program: string, flags: string[] = []) => {
    const child = spawn(process.execPath, [...flags, '-e', prologue + program], {
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    child.stderr.on('data', (chunk) => (output += chunk))
    const [code, signal] = await once(child, 'close')
    return { code, signal, output }
  }

  it('works in several worker threads at once', async () => {
    const workers = Array.from({ length: 4 }, () =>
      startWorker(`
        const sum = binding.crc32c(view, 0, view.length)
        binding.fdatasync(fd).then(() => {
          binding.unmap(region)
          stuck.destroy()
          parentPort.postMessage({ sum, left: view.length })
        })
      `),
    )
    const answers = await Promise.all(
      workers.map(async (worker) => (await once(worker, 'message'))[0]),
    )
    const bytes = Buffer.alloc(64 * mebibyte, 5)
    const sum = loadAddon().crc32c(bytes, 0, bytes.length)
    expect(answers).toEqual([1, 2, 3, 4].map(() => ({ sum, left: 0 })))
    await Promise.all(workers.map((worker) => worker.terminate()))
  })

  it('survives a worker that is terminated with a transfer and a flush in flight', async () => {
    for (let round = 0; round < 5; round++) {
      const worker = startWorker(`
        globalThis.kept = region
        sendUntilStuck(() => {
          for (let at = 0; at < 8; at++) binding.fdatasync(fd)
          parentPort.postMessage('in flight')
        })
      `)
      await once(worker, 'message')
      expect(await worker.terminate()).toBe(1)
    }
  })

  it('survives a worker that is terminated while transfers wait for the disk', async () => {
    const cold = `${directory.path}/cold`
    writeFileSync(cold, Buffer.alloc(64 * mebibyte, 6))
    for (let round = 0; round < 5; round++) {
      dropFromCache(cold)
      const worker = startWorker(`
        const file = fs.openSync(${JSON.stringify(cold)}, 'r')
        const sockets = Array.from({ length: 8 }, () => net.connect(Number(port), '127.0.0.1'))
        let connected = 0
        for (const socket of sockets) {
          socket.on('error', () => {})
          socket.once('connect', () => {
            if (++connected < sockets.length) return
            sockets.forEach((one, at) => {
              const target = { fd: one._handle.fd }
              binding.sendFile(target, file, at * ${8 * mebibyte}, ${8 * mebibyte}, () => {})
            })
            parentPort.postMessage('in flight')
          })
        }
      `)
      await once(worker, 'message')
      expect(await worker.terminate()).toBe(1)
    }
  })

  it('survives a worker that is terminated with durable writes in flight', async () => {
    for (let round = 0; round < 5; round++) {
      const worker = startWorker(`
        const direct = fs.openSync(path, fs.constants.O_RDWR | (fs.constants.O_DIRECT ?? 0))
        const room = Buffer.alloc(9 << 20, 5)
        const bytes = room.subarray((4096 - binding.pageOffset(room)) % 4096).subarray(0, 8 << 20)
        const again = () => binding.writeDurableLater(direct, bytes, 8 << 20)?.then(again)
        for (let at = 0; at < 4; at++) again()
        parentPort.postMessage('in flight')
      `)
      await once(worker, 'message')
      expect(await worker.terminate()).toBe(1)
    }
  })

  it('keeps a process until its durable write is done, and no longer', async () => {
    const { code, output } = await runProcess(`
      stuck.destroy()
      const direct = fs.openSync(path, fs.constants.O_RDWR | (fs.constants.O_DIRECT ?? 0))
      const room = Buffer.alloc(8192, 5)
      const bytes = room.subarray((4096 - binding.pageOffset(room)) % 4096).subarray(0, 4096)
      const durable = binding.writeDurableLater(direct, bytes, 0) ?? Promise.resolve()
      durable.then(() => console.log('done'))
    `)
    expect({ code, output }).toEqual({ code: 0, output: 'done\n' })
  })

  it('survives a worker that is terminated while its transfer is being served', async () => {
    const worker = startWorker(`
      const short = net.connect(Number(port), '127.0.0.1', () => {
        const again = () => binding.sendFile({ fd: short._handle.fd }, fd, 0, 1, again)
        again()
        parentPort.postMessage('in flight')
      })
    `)
    await once(worker, 'message')
    expect(await worker.terminate()).toBe(1)
  })

  it('lets a process exit with a transfer in flight and regions mapped', async () => {
    const { code, signal, output } = await runProcess(
      'sendUntilStuck(() => { binding.fdatasync(fd); process.exit(7) })',
    )
    expect({ code, signal, output }).toEqual({ code: 7, signal: null, output: '' })
  })

  it('lets a process end by itself once a transfer is cancelled', async () => {
    const { code, output } = await runProcess(`
      stuck.once('connect', () => {
        const transfer = binding.sendFile({ fd: stuck._handle.fd }, fd, 0, ${64 * mebibyte}, (error) => {
          console.log(error.code)
          stuck.destroy()
        })
        setImmediate(() => transfer.cancel())
      })
    `)
    expect({ code, output }).toEqual({ code: 0, output: 'ECANCELED\n' })
  })

  it('hands what done throws to the process as an uncaught exception', async () => {
    const { code, output } = await runProcess(`
      process.once('uncaughtException', (error) => {
        console.log('caught ' + error.message)
        stuck.destroy()
      })
      stuck.once('connect', () =>
        binding.sendFile({ fd: stuck._handle.fd }, fd, 0, 1, () => { throw new Error('from done') }))
    `)
    expect({ code, output }).toEqual({ code: 0, output: 'caught from done\n' })
  })

  it('unmaps what is garbage, and never twice', async () => {
    const { code, signal, output } = await runProcess(
      `
      stuck.destroy()
      const mapped = () =>
        fs.readFileSync('/proc/self/maps', 'utf8').split('\\n').filter((line) => line.includes(path)).length
      const churn = () => {
        for (let at = 0; at < 50; at++) {
          const one = binding.map(fd, 4096 * (at + 1))
          if (at % 2 === 0) binding.unmap(one)
        }
      }
      const round = (count) => {
        churn()
        gc()
        if (count > 0) setImmediate(() => round(count - 1))
        else setImmediate(() => { gc(); setImmediate(() => console.log(mapped() < 60)) })
      }
      round(20)
    `,
      ['--expose-gc'],
    )
    expect({ code, signal, output }).toEqual({ code: 0, signal: null, output: 'true\n' })
  })
})
