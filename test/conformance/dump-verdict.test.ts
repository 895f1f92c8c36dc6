// Covers conformance/dump-log-segments/dump-verdict.ts.
// Goal: whatever DumpLogSegments complains of is heard; it ends with exit code 0 all the same.
// Method: lines that it printed of files with a damaged byte, a missing end or an entry that lies.
import { describe, expect, it } from 'vitest'
import {
  complaintsOf,
  dumpedLog,
  saneFiles,
  snapshotProducers,
} from '../../conformance/dump-log-segments/dump-verdict.ts'

const result = (stdout: string, stderr = '', code = 0) => {
  return { name: 'dump', code, ms: 1, stdout, stderr }
}
const batch = (producerId: number, codec: string, isValid = true) =>
  `baseOffset: 0 lastOffset: 1 count: 2 baseSequence: -1 lastSequence: -1 producerId: ${producerId} producerEpoch: -1 position: 0 size: 91 magic: 2 compresscodec: ${codec} crc: 1 isvalid: ${isValid}`
const record = '| offset: 0 CreateTime: 1 keySize: 4 valueSize: 111 sequence: -1 headerKeys: []'

describe('a dump', () => {
  it.each([
    ['a bad checksum', batch(-1, 'none', false)],
    ['a torn end', 'Found 3338 invalid bytes at the end of 00000000000000000100.log'],
    ['an offset that is not there', 'The following indexed offsets are not found in the log.'],
    ['a timestamp that is another', 'Found timestamp mismatch in :/x/0.timeindex'],
    ['an entry that leads elsewhere', 'Mismatches in :/x/0.index'],
    ['a hole', 'Non-consecutive offsets in /x/0.log'],
  ])('complains of %s', (_, line) => {
    expect(complaintsOf(result(`Dumping x\n${line}\n${record}`))).toEqual([line])
  })

  it('complains when the tool fails', () => {
    const stderr = 'org.apache.kafka.storage.internals.log.CorruptIndexException: Index file x'
    expect(complaintsOf(result('', stderr, 1))).toEqual(['exit code 1', stderr])
  })

  it('complains of nothing in whole files, and counts what is in them', () => {
    const text = [batch(-1, 'gzip'), record, record, batch(7, 'zstd'), record, batch(-3, 'zstd')]
    const dump = result(`Dumping x\nLog starting offset: 0\n${text.join('\n')}`)
    expect(complaintsOf(dump)).toEqual([])
    expect(dumpedLog(dump)).toEqual({
      records: 3,
      batches: 3,
      codecs: ['gzip', 'zstd'],
      producers: 1,
    })
  })

  it('counts sane indexes and the producers of snapshots', () => {
    expect(saneFiles(result('Dumping a\na passed sanity check.\nb is empty.\n'))).toBe(1)
    const line = 'producerId: 12 producerEpoch: 0 coordinatorEpoch: -1 lastTimestamp: 1'
    expect(snapshotProducers(result(`Dumping a\n${line}\n`))).toBe(1)
  })
})
