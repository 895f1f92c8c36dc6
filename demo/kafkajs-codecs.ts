/**
 * Teaches kafkajs the three codecs it leaves to others, in the framings Kafka's clients use:
 * raw snappy blocks, LZ4 frames, zstd. These are not this project's own codecs: what the server
 * reads was written by somebody else.
 */
import { Decoder, Encoder } from '@toondepauw/node-zstd'
import kafkajs from 'kafkajs'
import lz4 from 'lz4-napi'
import snappy from 'snappy'

/** kafkajs hands over its own encoder, whose bytes are in `buffer`. */
type KafkaEncoder = { readonly buffer: Buffer }

const zstdLevel = 3

export function registerKafkaCodecs(): void {
  const { CompressionCodecs, CompressionTypes } = kafkajs
  CompressionCodecs[CompressionTypes.Snappy] = () => ({
    compress: (encoder: KafkaEncoder) => snappy.compress(encoder.buffer),
    decompress: (bytes: Buffer) => snappy.uncompress(bytes, { asBuffer: true }),
  })
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: (encoder: KafkaEncoder) => lz4.compressFrame(encoder.buffer),
    decompress: (bytes: Buffer) => lz4.decompressFrame(bytes),
  })
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: (encoder: KafkaEncoder) => new Encoder(zstdLevel).encode(encoder.buffer),
    decompress: (bytes: Buffer) => new Decoder().decode(bytes),
  })
}

/** kafkajs's number for each codec, by the name Kafka's configuration uses. */
export const kafkaCodecs = {
  none: kafkajs.CompressionTypes.None,
  zstd: kafkajs.CompressionTypes.ZSTD,
  lz4: kafkajs.CompressionTypes.LZ4,
  snappy: kafkajs.CompressionTypes.Snappy,
  gzip: kafkajs.CompressionTypes.GZIP,
} as const

export type KafkaCodecName = keyof typeof kafkaCodecs
