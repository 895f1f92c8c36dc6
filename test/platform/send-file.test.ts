import { afterEach, describe, expect, it } from 'vitest'
import type { SendTarget } from '../../src/native/binding.ts'
import type { File } from '../../src/platform/file-system.ts'
import { nodeFileSystem } from '../../src/platform/node-file-system.ts'
import { sendFile } from '../../src/platform/send-file.ts'
import { SimFileSystem } from '../../src/platform/sim-file-system.ts'
import { noise } from '../contract/binding-contract.ts'
import { openSocketPair, readBytes, type SocketPair } from '../support/socket-pair.ts'
import { makeTemporaryDirectory } from '../support/temporary-directory.ts'

describe.each(['real', 'simulated'])('sendFile from a %s disk', (kind) => {
  const cleanups: (() => void)[] = []
  afterEach(() => {
    for (const cleanup of cleanups.splice(0).reverse()) cleanup()
  })

  const content = noise(2_000_000, 1)
  const openFile = (): File => {
    const directory = makeTemporaryDirectory()
    const disk = kind === 'real' ? nodeFileSystem : new SimFileSystem({ seed: 1 })
    const file = disk.open(kind === 'real' ? `${directory.path}/a` : '/a', 'create')
    file.write(content, 0)
    cleanups.push(
      () => directory.remove(),
      () => file.close(),
    )
    return file
  }
  const openPair = async (): Promise<SocketPair> => {
    const pair = await openSocketPair()
    cleanups.push(() => pair.close())
    return pair
  }
  const send = (target: SendTarget, file: File, position: number, lengthBytes: number) =>
    new Promise<{ code: string | undefined; sentBytes: number }>((resolve) => {
      sendFile(target, file, position, lengthBytes, (error, sentBytes) =>
        resolve({ code: (error as NodeJS.ErrnoException | null)?.code, sentBytes }),
      )
    })

  it('sends the slice', async () => {
    const { target, receiver } = await openPair()
    const done = send(target, openFile(), 77, 1_500_000)
    const received = await readBytes(receiver, 1_500_000)
    expect(received.equals(content.subarray(77, 1_500_077))).toBe(true)
    expect(await done).toEqual({ code: undefined, sentBytes: 1_500_000 })
  })

  it('reports a file that ends too soon', async () => {
    const { target, receiver } = await openPair()
    receiver.resume()
    const done = await send(target, openFile(), 1_999_990, 100)
    expect(done).toEqual({ code: 'ESTALE', sentBytes: 10 })
  })

  it('reports a socket that is destroyed already', async () => {
    const { target, sender } = await openPair()
    sender.destroy()
    const gone = { ...target, fd: -1 }
    expect((await send(gone, openFile(), 0, 100)).code).toBe('ERR_STREAM_DESTROYED')
  })
})
