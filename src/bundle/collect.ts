import { createHash } from 'node:crypto'
import type { Constraint } from '../composer/constraint.ts'
import { AppError, messageOf } from '../errors.ts'
import { type Broker, type OfferedPackage, readBrokerRoot, readOffered, refusalOf } from './broker.ts'
import type { LockedPackage } from './lock-file.ts'
import { lockedVersion, matchingVersions, type SelectedVersion } from './selection.ts'

/** What is collected. */
export interface Wanted {
  readonly locked: readonly LockedPackage[]
  /** Packages beside those of lock files; a constraint of null stands for all releases. */
  readonly packages: readonly { readonly name: string; readonly constraint: Constraint | null }[]
}

/** Digests of an archive. `size` in bytes. */
export interface ArchiveSums {
  readonly size: number
  readonly sha1: string
  readonly sha256: string
}

/** What could not be had. */
export interface Failure {
  readonly package: string
  /** Null when it is about all of them. */
  readonly version: string | null
  readonly reason: string
}

/** What was collected. */
export interface Collection {
  readonly baseUrl: string
  readonly packages: ReadonlyMap<string, OfferedPackage>
  readonly versions: readonly SelectedVersion[]
  /** What was found for each package of a lock file. */
  readonly chosen: ReadonlyMap<LockedPackage, SelectedVersion>
  readonly failures: readonly Failure[]
}

/** Who takes the archives. */
export interface Receiver {
  /** True when it has the archive of this version already. */
  has?(version: SelectedVersion): Promise<boolean>
  /** Takes the bytes of an archive, a piece at a time; `finish` is called once all have come and are what they should be. */
  open(version: SelectedVersion): Promise<{
    write(piece: Uint8Array): Promise<void>
    finish(sums: ArchiveSums): Promise<void>
    discard(): Promise<void>
  }>
}

/** Told after each step. */
export type Progress = (step: string, done: number, total: number) => void

/** How many requests run at a time: fewer than one Composer sends. */
const AT_A_TIME = 8

/**
 * Finds what is wanted at the server and has it fetch each archive; what cannot be had is among the failures, and
 * the rest goes on. Throws AppError when the server itself cannot be used.
 */
export async function collect(
  broker: Broker,
  wanted: Wanted,
  receiver: Receiver,
  progress: Progress,
): Promise<Collection> {
  const { baseUrl } = await readBrokerRoot(broker)
  const failures: Failure[] = []
  const names = [...new Set([...wanted.locked, ...wanted.packages].map(({ name }) => name))]
  const packages = new Map<string, OfferedPackage>()
  const broken = new Map<string, string>()
  await each(
    names,
    (done) => progress('metadata', done, names.length),
    async (name) => {
      try {
        const offered = await readOffered(broker, baseUrl, name)
        if (offered) packages.set(name, offered)
      } catch (error) {
        broken.set(name, messageOf(error))
      }
    },
  )
  const { versions, chosen } = select(wanted, { packages, broken, failures })
  const archives = versions.filter(({ dist }) => dist !== null)
  await each(
    archives,
    (done) => progress('archives', done, archives.length),
    async (version) => {
      try {
        if (!(await receiver.has?.(version))) await fetchArchive(broker, version, receiver)
      } catch (error) {
        failures.push({ package: version.name, version: version.version, reason: messageOf(error) })
      }
    },
  )
  return { baseUrl, packages, versions, chosen, failures }
}

interface Found {
  readonly packages: ReadonlyMap<string, OfferedPackage>
  /** Names whose documents could not be had, with the reason. */
  readonly broken: ReadonlyMap<string, string>
  readonly failures: Failure[]
}

function select(wanted: Wanted, { packages, broken, failures }: Found) {
  const selected = new Map<string, SelectedVersion>()
  const chosen = new Map<LockedPackage, SelectedVersion>()
  const attempt = (name: string, version: string | null, find: () => SelectedVersion[]) => {
    try {
      const reason = broken.get(name)
      if (reason !== undefined) throw new AppError('upstream', reason)
      for (const one of find()) {
        const key = `${one.name} ${one.versionNormalized} ${one.dist?.address ?? one.reference} ${one.expected}`
        selected.set(key, one)
      }
    } catch (error) {
      failures.push({ package: name, version, reason: messageOf(error) })
    }
  }
  for (const locked of wanted.locked) {
    attempt(locked.name, locked.version, () => {
      const version = lockedVersion(locked, packages.get(locked.name) ?? null)
      chosen.set(locked, version)
      return [version]
    })
  }
  for (const { name, constraint } of wanted.packages) {
    attempt(name, null, () => matchingVersions(name, constraint, packages.get(name) ?? null))
  }
  return { versions: [...selected.values()], chosen }
}

async function fetchArchive(broker: Broker, version: SelectedVersion, receiver: Receiver): Promise<void> {
  const response = await broker.get(version.dist?.address ?? '')
  if (!response.ok || response.body === null) throw await refusalOf(response)
  const sink = await receiver.open(version)
  try {
    const hashes = [createHash('sha1'), createHash('sha256')] as const
    let size = 0
    for await (const piece of response.body) {
      size += piece.length
      for (const hash of hashes) hash.update(piece)
      await sink.write(piece)
    }
    const declared = response.headers.get('content-length')
    if (declared !== null && Number(declared) !== size) throw new AppError('upstream', 'its archive broke off')
    const [sha1, sha256] = [hashes[0].digest('hex'), hashes[1].digest('hex')]
    const expected = version.expected || (version.dist?.shasum ?? '')
    if (expected !== '' && expected !== sha1) {
      throw new AppError('conflict', `its archive has the SHA-1 ${sha1} here, and ${expected} in the lock file`)
    }
    await sink.finish({ size, sha1, sha256 })
  } catch (error) {
    await response.body.cancel().catch(() => {})
    await sink.discard()
    throw error
  }
}

/** Works on every item, some at a time; `work` must not throw. */
async function each<T>(
  items: readonly T[],
  onDone: (done: number) => void,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = items.values()
  let done = 0
  const worker = async () => {
    for (const item of left) {
      await work(item)
      onDone(++done)
    }
  }
  await Promise.all(Array.from({ length: Math.min(AT_A_TIME, items.length) }, worker))
}
