import { AppError } from '../../errors.ts'
import { normalizedGitUrl } from '../../git/url.ts'
import type { HostType } from './host-credential.ts'
import { hostAddress } from './open-host.ts'

/**
 * The address of a repository that its host knows by another path now: on the same host, over the same protocol, in the
 * spelling that it had. What the host calls its address does not count, so that no answer of an API can send a
 * credential elsewhere. Null when the path is the same but for the case of its letters. Throws AppError('upstream') for
 * a path that makes no address.
 */
export function movedAddress(host: HostType, url: string, path: string): { url: string; urlKey: string } | null {
  const before = hostAddress(host, url)
  if (before.path.toLowerCase() === path.toLowerCase()) return null
  const [, base = '', end = ''] = /^(.*?)((?:\.git)?\/{0,16})$/.exec(url) ?? []
  const count = before.path.split('/').length
  const parts = base.split(/(?<=[/:])/)
  const kept = parts.slice(0, parts.length - count).join('')
  const moved = `${kept}${path.split('/').map(encodeURIComponent).join('/')}${end}`
  try {
    const after = hostAddress(host, moved)
    if (after.path === path && after.apiBase === before.apiBase) return { url: moved, urlKey: normalizedGitUrl(moved) }
  } catch {
    // Told below: the path is the host's, and not what the operator gave.
  }
  throw new AppError('upstream', `The host says that the repository moved, to a path that makes no address.`, {
    details: { reason: 'protocol' },
  })
}
