import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { archivePath } from '../archives/archive-files.ts'
import { ARCHIVE_FOLDERS, type ArchiveFolder, folderOfFormat } from '../archives/archive-index.ts'
import type { Config } from '../config.ts'
import type { DatabaseCopy } from '../store/database-copy.ts'
import { readPart } from './checked-copy.ts'
import type { Maintenance } from './maintenance.ts'

/** What repairs are made with: the process that owns the data. */
export type RepairTools = Pick<Maintenance, 'recheck' | 'collectGarbage'>

/** Something that a check came upon. */
export interface Finding {
  /** One sentence. */
  readonly what: string
  /** False for what is worth knowing and does no harm. */
  readonly wrong: boolean
  /** Mends it; true when it is mended. Null when nothing here can. */
  readonly repair: ((tools: RepairTools) => Promise<boolean>) | null
}

/** What a check looks at. Nothing of it changes while it looks. */
interface Subject {
  readonly config: Config
  readonly copy: DatabaseCopy
  /** Unix seconds. */
  readonly now: number
}

/** A question that `verify` asks. */
interface Check {
  readonly name: string
  readonly run: (subject: Subject) => Promise<Checked>
}

/** What a check looked at, and what it came upon. */
export interface Checked {
  readonly looked_at: number
  readonly findings: readonly Finding[]
}

/** Somebody may be about to record what was written a moment ago. */
const ORPHAN_MS = 60 * 60 * 1000
const ARCHIVE = /\/[0-9a-f]{2}\/[0-9a-f]{64}\.(?:zip|archive)$/

/** Every check, in the order they are told; another one is another line. */
const CHECKS: readonly Check[] = [
  { name: 'database', run: checkDatabase },
  { name: 'audit', run: checkAudit },
  { name: 'archives', run: checkArchives },
  { name: 'orphans', run: checkOrphans },
]

/** Asks every question. `copy` is the database as it is while no archive is deleted. */
export async function verify(subject: Subject): Promise<({ readonly name: string } & Checked)[]> {
  const checked = []
  for (const { name, run } of CHECKS) checked.push({ name, ...(await run(subject)) })
  return checked
}

async function checkDatabase({ copy }: Subject): Promise<Checked> {
  const problems = await copy.problems()
  const findings = problems.map((problem) => wrong(`${problem} Restore a backup.`))
  return { looked_at: 1, findings }
}

async function checkAudit({ copy }: Subject): Promise<Checked> {
  const verdict = await copy.audit()
  if (verdict?.broken == null) return { looked_at: verdict?.entries ?? 0, findings: [] }
  const { id, reason } = verdict.broken
  return {
    looked_at: verdict.entries,
    findings: [wrong(`The record of changes was tampered with at aud_${id}: ${reason}`)],
  }
}

async function checkArchives({ config, copy }: Subject): Promise<Checked> {
  const records = await copy.archives()
  const findings: Finding[] = []
  let absent = 0
  for (const record of records) {
    const folder = folderOfFormat(record.format)
    const condition = await conditionOf(join(config.archiveDir, archivePath(folder, record.sha256)), record)
    if (condition === 'sound') continue
    if (condition === 'absent' && folder !== 'uploads') absent += 1
    else findings.push(badArchive(folder, record.sha256, condition))
  }
  if (absent > 0) findings.push(note(`${absent} archives are not on disk; they are built or fetched when wanted.`))
  return { looked_at: records.length, findings }
}

async function conditionOf(
  path: string,
  record: { readonly size: number; readonly sha1: string; readonly sha256: string },
): Promise<'sound' | 'damaged' | 'absent'> {
  const state = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
  if (state === null) return 'absent'
  if (!state.isFile() || state.size !== record.size) return 'damaged'
  // Whatever the disk refuses here, the bytes cannot be served.
  const digests = await readPart({ file: path }).catch(() => null)
  return digests?.sha1 === record.sha1 && digests.sha256 === record.sha256 ? 'sound' : 'damaged'
}

function badArchive(folder: ArchiveFolder, sha256: string, condition: 'damaged' | 'absent'): Finding {
  if (folder === 'uploads') {
    const what = condition === 'absent' ? 'gone' : 'damaged'
    return wrong(`The upload ${sha256} is ${what}: upload the same file again, or restore it from a backup.`)
  }
  const again = folder === 'git' ? 'built again from its commit' : 'fetched again from its upstream'
  return {
    what: `The archive ${sha256} is damaged; --repair puts it aside, and it is ${again} when it is wanted.`,
    wrong: true,
    // Sound, when a request came first and had it made again.
    repair: async (tools) => ['corrupt', 'absent', 'sound'].includes(await tools.recheck(folder, sha256)),
  }
}

async function checkOrphans({ config, copy, now }: Subject): Promise<Checked> {
  const named = new Set(
    (await copy.archives()).map(({ format, sha256 }) => archivePath(folderOfFormat(format), sha256)),
  )
  let looked = 0
  let count = 0
  let bytes = 0
  for (const folder of ARCHIVE_FOLDERS) {
    const directory = join(config.archiveDir, folder)
    for (const entry of await filesBelow(directory)) {
      looked += 1
      if (!ARCHIVE.test(entry) || named.has(entry.slice(config.archiveDir.length + 1))) continue
      const state = await lstat(entry).catch(() => null)
      if (state === null || state.mtimeMs > now * 1000 - ORPHAN_MS) continue
      count += 1
      bytes += state.size
    }
  }
  if (count === 0) return { looked_at: looked, findings: [] }
  const what = `${count} files of ${bytes} bytes are named by nothing; --repair or package-broker gc removes them.`
  const repair = async (tools: RepairTools) => (await tools.collectGarbage(false)).archives.count > 0
  return { looked_at: looked, findings: [{ what, wrong: false, repair }] }
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return []
      throw error
    },
  )
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name))
}

function wrong(what: string): Finding {
  return { what, wrong: true, repair: null }
}

function note(what: string): Finding {
  return { what, wrong: false, repair: null }
}
