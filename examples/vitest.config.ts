import { defineConfig } from 'vitest/config'

export default defineConfig({ test: { include: ['07-vitest.test.ts'] } })
