/** 16-byte ids as Kafka writes them: URL-safe base64 without padding, 22 characters. */
import { randomBytes } from 'node:crypto'

/** Ids below this are reserved by the protocol (zero = none, one = the metadata topic). */
const reservedPrefix = Buffer.alloc(15)

/** A random version-4 UUID. Never reserved, and never beginning with `-`, which tools misread. */
export function randomId(): string {
  for (;;) {
    const bytes = randomBytes(16)
    bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40
    bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
    const text = bytes.toString('base64url')
    if (!text.startsWith('-') && !bytes.subarray(0, 15).equals(reservedPrefix)) return text
  }
}

/** Whether `text` is a usable id: 16 bytes in base64url, not all zero. */
export function isId(text: string): boolean {
  if (!/^[A-Za-z0-9_-]{22}$/.test(text)) return false
  return Buffer.from(text, 'base64url').some((byte) => byte !== 0)
}

/** The same 16 bytes as 32 hex digits, for file names. */
export function idToHex(id: string): string {
  return Buffer.from(id, 'base64url').toString('hex')
}
