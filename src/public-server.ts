/** Entry "stratalog/server": serves an open store to any Kafka client over TCP. */
export type { ListenerOptions } from './net/listeners.ts'
export { type BoundListener, type LogServer, type ServeOptions, serve } from './net/serve.ts'
