/** Who this process is, for the holder's line in a lock file. */
export const ownPid: number = process.pid

/** Whether a process with this id exists now, ours or anybody's. Ids are reused: also compare start times. */
export function isPidAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it exists and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
