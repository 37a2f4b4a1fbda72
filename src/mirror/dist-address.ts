import { createHash } from 'node:crypto'
import { asObject } from '../composer/json.ts'

/** `dist` of a version as an upstream wrote it. */
export interface UpstreamDist {
  readonly type: string
  /** http or https. */
  readonly url: string
  /** '' when the upstream names none. */
  readonly reference: string
  /** SHA-1, lower-case hexadecimal; '' when the upstream names none. */
  readonly shasum: string
}

/** Endings by which Composer tells what a downloaded file is, longest first (Composer: FileDownloader::getFileName). */
export const DIST_ENDING = /\.(tar\.gz|tar\.bz2|tar\.xz|tgz|tar|zip|phar|gz|xz|rar)$/i

/** Reads the JSON text of a `dist`. Null for one that no server can hand on: none at all, a path, another protocol. */
export function readUpstreamDist(raw: string | undefined): UpstreamDist | null {
  const dist = raw === undefined || raw === '"__unset"' ? null : asObject(JSON.parse(raw))
  if (dist === null || typeof dist.type !== 'string' || typeof dist.url !== 'string' || dist.type === 'path')
    return null
  const url = URL.canParse(dist.url) ? new URL(dist.url) : null
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return null
  const text = (value: unknown) => (typeof value === 'string' ? value : '')
  return { type: dist.type, url: dist.url, reference: text(dist.reference), shasum: text(dist.shasum).toLowerCase() }
}

/**
 * What an address here names an archive of an upstream by, 40 hexadecimal digits. Anything that could make it another
 * archive makes it another address: lock files keep addresses, and what one names never changes.
 */
export function distId({ url, reference, shasum }: UpstreamDist): string {
  return createHash('sha1')
    .update(JSON.stringify([url, reference, shasum]))
    .digest('hex')
}

/**
 * Path and query of an archive here. `version` is as its author wrote it and only for people: the archive is found by
 * name and id, so that versions which share a `dist` in a minified list may share an address too.
 */
export function distPath(name: string, version: string, dist: UpstreamDist): string {
  const ending =
    DIST_ENDING.exec(new URL(dist.url).pathname)?.[1]?.toLowerCase() ?? (dist.type === 'zip' ? 'zip' : 'tar')
  return `/dist/${name}/${version.split('/').map(encodeURIComponent).join('/')}.${ending}?dist=${distId(dist)}`
}
