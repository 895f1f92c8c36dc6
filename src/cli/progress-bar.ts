/** One line on a terminal that shows how far a long job is; silent when stderr is no terminal. */
import { isatty } from 'node:tty'

const width = 30
const redrawMs = 50

export class ProgressBar {
  readonly #label: string
  // Asking process.stderr would make a pipe non-blocking, under the server's log too.
  readonly #isTerminal = isatty(2)
  #drawnMs = 0
  #isShown = false

  constructor(label: string) {
    this.#label = label
  }

  update(done: number, total: number, note = ''): void {
    const now = Date.now()
    if (!this.#isTerminal || (now - this.#drawnMs < redrawMs && done < total)) return
    this.#drawnMs = now
    this.#isShown = true
    const part = total === 0 ? 1 : Math.min(done / total, 1)
    const filled = Math.round(part * width)
    const bar = '█'.repeat(filled) + '░'.repeat(width - filled)
    process.stderr.write(`\r\x1b[K${this.#label} ${bar} ${Math.floor(part * 100)} % ${note}`)
  }

  end(): void {
    if (this.#isShown) process.stderr.write('\r\x1b[K')
    this.#isShown = false
  }
}

/** A byte count for people: 1.5 MiB. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}
