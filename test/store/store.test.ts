import { describe, expect, it } from 'vitest'
import { openStore } from '../../src/store/store.ts'
import { withTemporaryDirectory } from '../support/temporary-directory.ts'

describe('a store', () => {
  it('keeps everything over a clean stop', async () => {
    await withTemporaryDirectory(async (directory) => {
      const store = await openStore(directory)
      const orders = await store.log('orders')
      const ack = await orders.append({ key: 'o-17', value: 'hello' })
      expect(ack).toEqual({ offset: 0, lastOffset: 0, level: 'disk' })
      await orders.append(['a', 'b', 'c'], { level: 'os', compression: 'lz4' })
      await store.close()
      const again = await openStore(directory)
      expect(again.wasClean).toBe(true)
      const values: string[] = []
      for await (const record of (await again.log('orders')).read())
        values.push(String(record.value))
      expect(values).toEqual(['hello', 'a', 'b', 'c'])
      await again.close()
    })
  })
})
