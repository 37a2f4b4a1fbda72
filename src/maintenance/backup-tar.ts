import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type BackupFile, type BackupManifest, KEY, MANIFEST, writeManifest } from './backup-manifest.ts'
import type { BackupTarget } from './backup-target.ts'
import { syncDirectory } from './checked-copy.ts'
import { TarWriter } from './tar.ts'

/** A backup in a tar file, which takes the place of an earlier one when it is complete. The manifest is its last file. */
export class BackupTar implements BackupTarget {
  private key = false

  private constructor(
    private readonly path: string,
    private readonly prefix: string,
    private readonly unfinished: string,
    private readonly tar: TarWriter,
  ) {}

  /** Begins a file beside the one it will be. `time` in Unix seconds. */
  static async create(path: string, time: number): Promise<BackupTar> {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const own = `.${basename(path)}.draft-`
    for (const name of await readdir(dirname(path))) {
      if (name.startsWith(own) && isOver(name.slice(own.length))) await rm(join(dirname(path), name), { force: true })
    }
    const prefix = join(dirname(path), `${own}${process.pid}-`)
    const unfinished = prefix + crypto.randomUUID()
    return new BackupTar(path, prefix, unfinished, await TarWriter.create(unfinished, time))
  }

  draft(): string {
    return this.prefix + crypto.randomUUID()
  }

  async has(): Promise<boolean> {
    return false
  }

  add(file: BackupFile, from: string): Promise<boolean> {
    return this.tar.add(file.path, from, file)
  }

  async addKey(text: string): Promise<void> {
    await this.tar.addText(KEY, text)
    this.key = true
  }

  async hasKey(): Promise<boolean> {
    return this.key
  }

  async finish(manifest: BackupManifest): Promise<number> {
    await this.tar.addText(MANIFEST, writeManifest(manifest))
    await this.tar.finish()
    await rename(this.unfinished, this.path)
    await syncDirectory(dirname(this.path))
    return 0
  }

  async close(): Promise<void> {
    await this.tar.close()
    for (const name of await readdir(dirname(this.path))) {
      if (name.startsWith(basename(this.prefix))) await rm(join(dirname(this.path), name), { force: true })
    }
  }
}

/** True for a draft of a process that has ended. */
function isOver(rest: string): boolean {
  try {
    process.kill(Number.parseInt(rest, 10), 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}
