/** Entry "stratalog/server": serves an open store to any Kafka client over TCP. */
export { type LogServer, type ServeOptions, serve } from './net/serve.ts'
