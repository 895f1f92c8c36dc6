// Question  Which way to send a region of a file is cheapest, from which size on?
// Workload  answers of a 100-byte header and one region of 4 KiB … 4 MiB out of a 64 MiB file in the
//           page cache, over loopback, four answers in flight; the reader is this process too. Four
//           ways: sendfile(2), read and write, write out of a mapping (all three through
//           ResponseWriter, as the server does), and a read stream piped into the socket.
// Measures  CPU µs (user + system, both ends) and wall µs per answer, GB/s. ResponseWriter's bound
//           between reading and sendfile comes from here. Not: disk.
import { once } from 'node:events'
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ResponseWriter } from '../../src/net/response-writer.ts'
import type { File, MappedFile } from '../../src/platform/file-system.ts'
import { nodeFileSystem } from '../../src/platform/node-file-system.ts'

const ways = ['sendfile', 'read and write', 'mapped write', 'stream pipe'] as const
type Way = (typeof ways)[number]

export type SendRow = {
  readonly regionBytes: number
  readonly way: Way
  readonly cpuUs: number
  readonly wallUs: number
  readonly 'GB/s': number
  /** CPU seconds, both ends. */
  readonly 's/GB': number
}

const inFlight = 4
const header = Buffer.alloc(100)

/** Runs the whole file; `tiny` inputs only show that it works. */
export async function run(options: { readonly tiny: boolean }): Promise<SendRow[]> {
  const sizes = options.tiny
    ? [4096, 65_536]
    : [12, 13, 14, 15, 16, 17, 18, 20, 22].map((n) => 2 ** n)
  const fileBytes = options.tiny ? 262_144 : 67_108_864
  const directory = mkdtempSync(join(tmpdir(), 'stratalog-bench-'))
  const path = join(directory, 'data')
  writeFileSync(path, Buffer.alloc(fileBytes, 'x'))
  const rows: SendRow[] = []
  try {
    // A B C D A B C D: the machine's mood changes, so each way is measured thrice (the first warms the
    // code) and the best of the others kept.
    for (const regionBytes of sizes) {
      const bytes = options.tiny ? 10 * regionBytes : Math.min(200_000_000, 10_000 * regionBytes)
      const count = Math.ceil(bytes / regionBytes)
      const measured: SendRow[] = []
      for (let round = 0; round < (options.tiny ? 2 : 3); round++) {
        for (const way of ways) {
          const row = await measure(path, { regionBytes, fileBytes, count, way })
          if (round > 0) measured.push(row)
        }
      }
      for (const way of ways) {
        const ofWay = measured.filter((row) => row.way === way).sort((a, b) => a.cpuUs - b.cpuUs)
        rows.push(ofWay[0] as SendRow)
      }
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
  return rows
}

type Load = { regionBytes: number; fileBytes: number; count: number; way: Way }

async function measure(path: string, load: Load): Promise<SendRow> {
  const { regionBytes, count, way } = load
  const file = nodeFileSystem.open(path, 'read')
  const mapped = way === 'mapped write' ? file.map(load.fileBytes) : undefined
  const [writing, reading, close] = await socketPair()
  const answerBytes = header.length + regionBytes
  let received = 0
  let sent = 0
  const sendAt = senderOf(writing, reading, { file, mapped, load })
  const send = (): void => {
    const position = (sent * regionBytes) % (load.fileBytes - regionBytes + 1)
    sent++
    sendAt(position)
  }
  const cpu = process.cpuUsage()
  const start = performance.now()
  await new Promise<void>((resolve, reject) => {
    reading.on('error', reject)
    reading.on('data', (chunk: Buffer) => {
      received += chunk.length
      while (sent < count && sent * answerBytes < received + inFlight * answerBytes) send()
      if (received === count * answerBytes) resolve()
    })
    for (let i = 0; i < Math.min(inFlight, count); i++) send()
  })
  const wallUs = ((performance.now() - start) * 1000) / count
  const { user, system } = process.cpuUsage(cpu)
  close()
  mapped?.unmap()
  file.close()
  const cpuUs = (user + system) / count
  const gigabytes = regionBytes / 1e9
  return {
    regionBytes,
    way,
    cpuUs,
    wallUs,
    'GB/s': gigabytes / (wallUs / 1e6),
    's/GB': cpuUs / 1e6 / gigabytes,
  }
}

/** What sends one answer, its region from `position` on. */
function senderOf(
  writing: Socket,
  reading: Socket,
  source: { file: File; mapped: MappedFile | undefined; load: Load },
): (position: number) => void {
  const { file, mapped, load } = source
  const { regionBytes: length, way } = load
  if (way === 'stream pipe') {
    // One after the other: streams that write into one socket at once would mix their bytes.
    const { fd } = file
    let last = Promise.resolve()
    return (position) => {
      last = last.then(async () => {
        writing.write(header)
        const end = position + length - 1
        const stream = createReadStream('', { fd, start: position, end, autoClose: false })
        stream.pipe(writing, { end: false })
        await once(stream, 'end')
      })
      last.catch((error: Error) => reading.destroy(error))
    }
  }
  const writer = new ResponseWriter(
    writing,
    {
      onProgress() {},
      onFailure(error) {
        reading.destroy(error)
      },
    },
    way === 'sendfile' ? 0 : Infinity,
  )
  return (position) => {
    const region =
      mapped?.bytes.subarray(position, position + length) ??
      ({ kind: 'file-slice', file, position, length, release() {} } as const)
    writer.add({ parts: [header, region], sizeBytes: header.length + length })
    writer.flush()
  }
}

async function socketPair(): Promise<[Socket, Socket, () => void]> {
  const server = createServer({ noDelay: true })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve))
  const reading = connect({ port, host: '127.0.0.1' })
  const writing = await accepted
  const close = (): void => {
    reading.destroy()
    writing.destroy()
    server.close()
  }
  return [writing, reading, close]
}
