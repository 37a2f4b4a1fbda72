import type { DiscoveryRow } from '../store/discoveries.ts'
import type { RepositoryRow } from '../store/repositories.ts'
import { type Finding, ok, warning } from './finding.ts'

/** Those with an error that are named. */
const MOST_NAMED = 20
/** What a credential of its own, or of its owner, mends. */
const REFUSED = new Set(['auth', 'credentials', 'scope', 'permission', 'sso'])

/** Repositories with an error, and what to do about each. `owners` are those that some of them were added for. */
export function examineRepositories(rows: readonly RepositoryRow[], owners: readonly DiscoveryRow[]): Finding[] {
  const broken = rows.filter(({ status }) => status === 'error')
  if (broken.length === 0) return [ok('repositories', `${rows.length} repositories, none with an error.`)]
  const ownerOf = new Map(owners.map((row) => [row.id, row]))
  const named = broken.slice(0, MOST_NAMED).map((row) => {
    const found = `${row.id} (${row.url}): ${row.errorMessage ?? 'no reason is known'}`
    return warning('repositories', found, adviceFor(row, ownerOf.get(row.discoveryId ?? '')))
  })
  const rest = broken.length - named.length
  if (rest === 0) return named
  return [
    ...named,
    warning('repositories', `${rest} more have an error.`, 'package-broker repository list shows them.'),
  ]
}

/** Owners whose listing failed. Nothing is said where no owner is looked at. */
export function examineDiscoveries(rows: readonly DiscoveryRow[]): Finding[] {
  const broken = rows.filter(({ status }) => status === 'error')
  if (broken.length === 0) return rows.length === 0 ? [] : [ok('discoveries', `${rows.length} owners can be listed.`)]
  return broken.map((row) => {
    const found = `${row.id} (${row.url}): ${row.errorMessage ?? 'no reason is known'}`
    return warning('discoveries', found, adviceForOwner(row))
  })
}

function adviceFor({ id, errorCode }: RepositoryRow, owner: DiscoveryRow | undefined): string {
  if (REFUSED.has(errorCode ?? '')) {
    const own = `package-broker repository set ${id} --credential-type TYPE --credential-file FILE`
    return owner ? `Give its owner another credential: ${importOf(owner)}.` : `Give it another credential: ${own}.`
  }
  switch (errorCode) {
    case 'no_packages':
      return `package-broker repository show ${id} tells of each tag and branch; it is read again when something is pushed.`
    case 'missing':
      return `See whether it was moved or deleted; its versions stay until package-broker repository remove ${id}.`
    case 'refs_vanished':
      return `If that is right: package-broker repository sync ${id} --accept-removals.`
    case 'rate_limited':
      return 'It is tried again by itself; webhooks and a credential of its own need fewer requests.'
    case 'host_key':
      return `If the host has a new key: package-broker repository set ${id} --forget-host-key.`
    default:
      return 'It is tried again by itself; its versions stay as they are.'
  }
}

function adviceForOwner(row: DiscoveryRow): string {
  if (REFUSED.has(row.errorCode ?? '')) {
    return `Give it another credential, which its repositories get as well: ${importOf(row)}.`
  }
  if (row.errorCode === 'repositories_vanished') {
    return `If that is right: package-broker discovery look ${row.id} --accept-removals.`
  }
  return 'It is tried again by itself; its repositories stay as they are.'
}

/** The command that gives an owner another token. */
function importOf({ vcsType, url }: DiscoveryRow): string {
  const { origin, pathname } = new URL(url)
  return `package-broker import ${vcsType}:${pathname.slice(1)} --url ${origin} --token-file FILE`
}
