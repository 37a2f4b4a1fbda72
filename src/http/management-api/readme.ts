import { readTopLevelFile } from '../../archives/top-level-file.ts'
import type { Caller } from '../../auth/scope.ts'
import { AppError } from '../../errors.ts'
import type { PackageRow } from '../../store/packages.ts'
import type { VersionRow } from '../../store/sync-state.ts'
import { type PublishedArchiveParts, publishedArchive } from '../published-archive.ts'

/** What reading a README takes. */
export type ReadmeParts = PublishedArchiveParts

/** Largest README that is shown, in bytes. */
const LARGEST_README = 512 * 1024

/** Names in the order they are looked for, letter case aside. */
const NAMES = ['readme.md', 'readme.markdown', 'readme', 'readme.txt', 'readme.rst']

/**
 * The README of a version as text, out of its archive, which is built when it is not on disk. Never as HTML: it is
 * somebody else's text. Throws AppError('not_found') when there is none, and AppError('upstream').
 */
export async function readmeResponse(
  parts: ReadmeParts,
  caller: Caller,
  row: PackageRow,
  version: VersionRow,
): Promise<Response> {
  const { repositoryId } = row
  const { reference, path } = version
  const archive = repositoryId && (await publishedArchive(parts, { repositoryId, reference, path }, caller.actor))
  const file = archive ? await readTopLevelFile(archive.path, chooseReadme, LARGEST_README) : null
  if (!file) {
    throw new AppError('not_found', `Version ${version.version} has no README of at most ${LARGEST_README} bytes.`)
  }
  const markdown = /\.(?:md|markdown)$/i.test(file.name)
  return new Response(new TextDecoder().decode(file.content), {
    headers: {
      'Content-Type': `text/${markdown ? 'markdown' : 'plain'}; charset=utf-8`,
      'Content-Security-Policy': "default-src 'none'; sandbox; frame-ancestors 'none'",
      'Cache-Control': 'private, no-cache',
      Vary: 'Authorization',
      'X-Content-Type-Options': 'nosniff',
    },
  })
}

function chooseReadme(names: readonly string[]): string | null {
  for (const wanted of NAMES) {
    const found = names.filter((name) => name.toLowerCase() === wanted).sort()[0]
    if (found !== undefined) return found
  }
  return null
}
