// Question  From which size on is a file region cheaper sent by sendfile(2) than read and written?
// Workload  answers of a 100-byte header and one region of 1 KiB … 1 MiB out of a 64 MiB file in
//           the page cache, over loopback, four answers in flight; the reader is this process too.
// Measures  CPU µs (user + system, both ends) and wall µs per answer, for both ways. Not: disk.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ResponseWriter } from '../../src/net/response-writer.ts'
import { nodeFileSystem } from '../../src/platform/node-file-system.ts'

export type SliceRow = {
  readonly sliceBytes: number
  readonly way: 'sendfile' | 'copy'
  readonly cpuUs: number
  readonly wallUs: number
}

const inFlight = 4
const header = Buffer.alloc(100)

/** Runs the whole file; `tiny` inputs only show that it works. */
export async function run(options: { readonly tiny: boolean }): Promise<SliceRow[]> {
  const sizes = options.tiny
    ? [4096, 65_536]
    : [10, 12, 13, 14, 15, 16, 17, 18, 20].map((n) => 2 ** n)
  const fileBytes = options.tiny ? 262_144 : 67_108_864
  const directory = mkdtempSync(join(tmpdir(), 'stratalog-bench-'))
  writeFileSync(join(directory, 'data'), Buffer.alloc(fileBytes, 'x'))
  const rows: SliceRow[] = []
  try {
    // A B A B: the machine's mood changes, so each way is measured twice and the better one kept.
    for (const sliceBytes of sizes) {
      const bytes = options.tiny ? 10 * sliceBytes : Math.min(300_000_000, 20_000 * sliceBytes)
      const count = Math.ceil(bytes / sliceBytes)
      const both: SliceRow[] = []
      for (const way of ['sendfile', 'copy', 'sendfile', 'copy'] as const) {
        both.push(await measure(join(directory, 'data'), { sliceBytes, fileBytes, count, way }))
      }
      for (const way of ['sendfile', 'copy'] as const) {
        const ofWay = both.filter((row) => row.way === way).sort((a, b) => a.cpuUs - b.cpuUs)
        rows.push(ofWay[0] as SliceRow)
      }
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
  return rows
}

async function measure(
  path: string,
  load: { sliceBytes: number; fileBytes: number; count: number; way: SliceRow['way'] },
): Promise<SliceRow> {
  const { sliceBytes, fileBytes, count, way } = load
  const file = nodeFileSystem.open(path, 'read')
  const [writing, reading, close] = await socketPair()
  const answerBytes = header.length + sliceBytes
  let received = 0
  let sent = 0
  const writer = new ResponseWriter(
    writing,
    {
      onProgress() {},
      onFailure(error) {
        reading.destroy(error)
      },
    },
    way === 'copy' ? Infinity : 0,
  )
  const send = (): void => {
    const position = (sent * sliceBytes) % (fileBytes - sliceBytes + 1)
    const slice = { kind: 'file-slice' as const, file, position, length: sliceBytes, release() {} }
    writer.add({ parts: [header, slice], sizeBytes: answerBytes })
    writer.flush()
    sent++
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
  file.close()
  return { sliceBytes, way, cpuUs: (user + system) / count, wallUs }
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
