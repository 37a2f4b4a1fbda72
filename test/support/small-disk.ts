import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** A file system of its own, of a few megabytes. */
export class SmallDisk {
  private readonly filler: string

  private constructor(readonly path: string) {
    this.filler = join(path, 'filler')
  }

  /** Whether this user may mount one here; where not, tests that need one are skipped. */
  static readonly available = (() => {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
    return Bun.spawnSync(['unshare', '-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).success
  })()

  /** Mounts one at `path`, which is made. */
  static mount(path: string, kilobytes: number): SmallDisk {
    mkdirSync(path, { recursive: true })
    run(['mount', '-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'tmpfs', path])
    return new SmallDisk(path)
  }

  /** Fills it to the last page. */
  fill(): void {
    const file = openSync(this.filler, 'a')
    try {
      for (;;) writeSync(file, Buffer.alloc(4_096))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    } finally {
      closeSync(file)
    }
  }

  /** Makes room again. */
  empty(): void {
    rmSync(this.filler, { force: true })
  }

  /** Nothing can be written, or again. */
  readOnly(on: boolean): void {
    run(['mount', '-o', `remount,${on ? 'ro' : 'rw'}`, this.path])
  }

  unmount(): void {
    run(['umount', '-l', this.path])
  }
}

function run(command: string[]): void {
  const { success, stderr } = Bun.spawnSync(command, { stdout: 'ignore', stderr: 'pipe' })
  if (!success) throw new Error(`${command.join(' ')}: ${stderr.toString()}`)
}
