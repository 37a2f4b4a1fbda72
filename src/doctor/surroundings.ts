import { access, constants, stat, statfs } from 'node:fs/promises'
import type { Config } from '../config.ts'
import { messageOf } from '../errors.ts'
import { type Database, databaseFile } from '../store/database.ts'
import { type Finding, failure, ok, warning } from './finding.ts'

const MEBIBYTE = 1024 * 1024
/** Room below which somebody should look soon, and below which writes fail soon. Bytes. */
const LITTLE_ROOM = 1024 * MEBIBYTE
const HARDLY_ROOM = 64 * MEBIBYTE
/** A write that takes longer waits for a slow disk or for another program. Milliseconds. */
const SLOW_WRITE = 500

/** Directories: whether they can be written, who else can read them, and what room there is. */
export async function examineDirectories(config: Config): Promise<Finding[]> {
  const places = { DATA_DIR: config.dataDir, ARCHIVE_DIR: config.archiveDir }
  const found = await Promise.all(Object.entries(places).map(([name, path]) => examineDirectory(name, path)))
  return [...found.flat(), ...(await examineSecrets(config))]
}

async function examineDirectory(name: string, path: string): Promise<Finding[]> {
  try {
    await access(path, constants.W_OK)
    const { bavail, bsize, blocks } = await statfs(path)
    return [room(name, bavail * bsize, blocks * bsize)]
  } catch (error) {
    return [
      failure(name, `${path} cannot be written: ${messageOf(error)}`, 'Give it to the user that the server runs as.'),
    ]
  }
}

function room(name: string, free: number, all: number): Finding {
  const share = Math.round((free / Math.max(1, all)) * 100)
  const found = `${Math.floor(free / MEBIBYTE)} MiB are free, ${share} % of the disk.`
  if (free < HARDLY_ROOM) return failure(name, found, 'Free some room at once: writes are about to be refused.')
  if (free < LITTLE_ROOM) return warning(name, found, 'Free some room, or bound ARCHIVE_MAX_BYTES.')
  return ok(name, found)
}

/** The database and the key beside it are as good as every credential in it. */
async function examineSecrets(config: Config): Promise<Finding[]> {
  const files = [`${config.dataDir}/encryption.key`, databaseFile({ url: config.databaseUrl })]
  const open: string[] = []
  for (const file of files) {
    const mode = file === null ? 0 : ((await stat(file).catch(() => null))?.mode ?? 0)
    if (file !== null && (mode & 0o004) !== 0) open.push(file)
  }
  const closed = ((await stat(config.dataDir).catch(() => null))?.mode ?? 0o007) & 0o001 ? open : []
  if (closed.length === 0) return [ok('permissions', 'Nobody but the owner and the group gets at database and key.')]
  return [
    warning(
      'permissions',
      `Everybody on this machine can read ${closed.join(' and ')}.`,
      `chmod o= ${closed.join(' ')}`,
    ),
  ]
}

/** Whether the database takes a write, and how fast. */
export async function examineDatabase(db: Database): Promise<Finding[]> {
  const began = performance.now()
  try {
    await db.write(async () => {})
  } catch (error) {
    return [failure('database', messageOf(error), 'See what else uses the database, and whether there is room for it.')]
  }
  const took = Math.round(performance.now() - began)
  if (took < SLOW_WRITE) return [ok('database', `It takes a write within ${took} ms.`)]
  const advice = 'See whether the disk is slow, or network storage: the database belongs on a local disk.'
  return [warning('database', `A write took ${took} ms.`, advice)]
}
