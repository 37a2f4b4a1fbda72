import { createHash } from 'node:crypto'
import type { GitPackageModel } from './model.ts'
import { sha256, type World } from './world.ts'

interface Version {
  readonly dist: { readonly url: string; readonly reference: string; readonly shasum?: string }
}

/** Archives of earlier references that are downloaded again at each look. */
const OLD_ONES = 3

/** Compares what clients see with the model. Throws what differs. */
export class Oracle {
  /** Archives whose bytes were compared. */
  compared = 0
  private clients = 1

  constructor(private readonly world: World) {}

  /** One package: its versions, and some of its archives. */
  async look(entry: GitPackageModel): Promise<void> {
    const versions = await this.versionsOf(entry.name)
    const seen = new Map([...versions].map(([version, { dist }]) => [version, dist.reference]))
    differ(`versions of ${entry.name}`, seen, entry.offered())
    const { random } = this.world
    if (versions.size > 0) await this.compare(entry.name, random.pick([...versions.values()]).dist)
    for (let round = 0; round < OLD_ONES; round++) {
      // Any version in the address will do: what counts is the reference that a lock file names.
      const reference = random.pick([...entry.references])
      await this.compareBytes(`/dist/${entry.name}/dev-main.zip?reference=${reference}`, `${entry.name} ${reference}`)
    }
  }

  /** Everything: packages, uploads, tokens and the audit. */
  async lookAtAll(): Promise<void> {
    const { model, world } = { model: this.world.model, world: this.world }
    for (const entry of model.packages) await this.look(entry)
    await this.lookAtUploads()
    for (const token of model.tokens) {
      await this.expectStatus('a token', token.value, token.alive ? 200 : 401)
      for (const value of token.dead) await this.expectStatus('a token of old', value, 401)
    }
    const verdict = await world.json<{ ok: boolean }>('/api/audit/verification')
    if (!verdict.ok) throw new Error(`the audit does not hold: ${JSON.stringify(verdict)}`)
  }

  private async lookAtUploads(): Promise<void> {
    const { uploads } = this.world.model
    if (uploads.size === 0) return
    const versions = await this.versionsOf('soak/upload')
    differ('uploads', new Set(versions.keys()), new Set(uploads.keys()))
    for (const [version, digest] of uploads) {
      const bytes = await this.download(pathOf(versions.get(version)?.dist.url ?? ''))
      if (sha256(bytes) !== digest) throw new Error(`upload ${version} has other bytes`)
      this.compared++
    }
  }

  private async versionsOf(name: string): Promise<Map<string, Version>> {
    const found = new Map<string, Version>()
    for (const end of ['.json', '~dev.json']) {
      const response = await this.world.ask(`/p2/${name}${end}`, { token: this.world.readerToken })
      if (!response.ok) throw new Error(`/p2/${name}${end}: ${response.status} ${await response.text()}`)
      const { packages } = (await response.json()) as { packages: Record<string, Record<string, Version>> }
      for (const [version, entry] of Object.entries(packages[name] ?? {})) found.set(version, entry)
    }
    return found
  }

  private async compare(name: string, { url, reference, shasum }: Version['dist']): Promise<void> {
    const bytes = await this.compareBytes(pathOf(url), `${name} ${reference}`)
    const sha1 = createHash('sha1').update(bytes).digest('hex')
    if ((shasum ?? '') !== '' && shasum !== sha1)
      throw new Error(`${url} has sha1 ${sha1} where ${shasum} is published`)
  }

  /** The archive, which must be what it was whenever it was downloaded before. */
  private async compareBytes(path: string, key: string): Promise<Uint8Array> {
    const bytes = await this.download(path)
    const { archives } = this.world.model
    const before = archives.get(key)
    if (before !== undefined && before !== sha256(bytes)) throw new Error(`${path} has other bytes than before`)
    archives.set(key, sha256(bytes))
    this.compared++
    return bytes
  }

  private async download(path: string): Promise<Uint8Array> {
    const response = await this.world.ask(path, { token: this.world.readerToken })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return response.bytes()
  }

  private async expectStatus(what: string, token: string, status: number): Promise<void> {
    // Another client each time: one that fails again and again is refused, which is another promise.
    const client = `10.${this.clients >> 16}.${(this.clients >> 8) & 255}.${this.clients++ & 255}`
    const response = await this.world.ask('/packages.json', { token, headers: { 'X-Forwarded-For': client } })
    await response.body?.cancel()
    if (response.status !== status) throw new Error(`${what} is answered ${response.status} in place of ${status}`)
  }
}

function pathOf(url: string): string {
  const { pathname, search } = new URL(url)
  return pathname + search
}

function differ(
  what: string,
  seen: Map<string, string> | Set<string>,
  expected: Map<string, string> | Set<string>,
): void {
  const text = (value: Map<string, string> | Set<string>) => JSON.stringify([...value].map(String).sort())
  if (text(seen) !== text(expected)) throw new Error(`${what}: ${text(seen)} in place of ${text(expected)}`)
}
