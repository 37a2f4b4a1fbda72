import { AppError } from '../errors.ts'

/** A repository's address, taken apart. */
export type GitUrl =
  /** `url` has no trailing slash; `host` has its port when it is not the usual one. */
  | { kind: 'http'; url: string; host: string; path: string }
  /** `path` is what the remote `git-upload-pack` gets. */
  | { kind: 'ssh'; user: string | null; host: string; port: number | null; path: string }
  /** An absolute path on this machine; use it only through `localRepositoryPath`. */
  | { kind: 'file'; path: string }

const LONGEST_URL = 2000

/**
 * Reads an address as `git clone` takes it (`git: clone, git URLs`): http(s), ssh, `user@host:path`, `file://` or an
 * absolute path. Throws `AppError('invalid')` for anything else and for credentials in the address.
 */
export function parseGitUrl(url: string): GitUrl {
  if (url.length > LONGEST_URL) throw invalid(`A git URL has at most ${LONGEST_URL} characters.`)
  if (hasControlOrSpace(url)) throw invalid('A git URL has no spaces and no control characters.')
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]{0,15}):\/\//.exec(url)
  if (scheme !== null) return parseWithScheme((scheme[1] ?? '').toLowerCase(), url, scheme[0].length)
  if (url.startsWith('/')) return { kind: 'file', path: url }
  return parseScpLike(url)
}

/**
 * A text that is the same for addresses of the same repository: host and path, without scheme, user, `.git` and slashes
 * at the end; the host in lower case. For finding duplicates, not for connecting. Throws as `parseGitUrl` does.
 */
export function normalizedGitUrl(url: string): string {
  const parsed = parseGitUrl(url)
  const path = normalizedPath(parsed.path)
  switch (parsed.kind) {
    case 'http':
      return `${parsed.host}/${path}`
    case 'ssh': {
      const port = parsed.port === null || parsed.port === 22 ? '' : `:${parsed.port}`
      return `${parsed.host.toLowerCase()}${port}/${path}`
    }
    case 'file':
      return `file:/${path}`
  }
}

function normalizedPath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  const joined = parts.join('/')
  return joined.endsWith('.git') && joined.length > 4 ? joined.slice(0, -4).replace(/\/$/, '') : joined
}

function parseWithScheme(scheme: string, url: string, start: number): GitUrl {
  switch (scheme) {
    case 'http':
    case 'https':
      return parseHttp(url)
    case 'ssh':
    case 'git+ssh':
    case 'ssh+git':
      return parseSsh(url.slice(start))
    case 'file': {
      const rest = url.slice(start).replace(/^localhost(?=\/)/, '')
      if (!rest.startsWith('/')) throw invalid('A file:// URL names an absolute path, such as file:///srv/git/lib.git.')
      return { kind: 'file', path: decoded(rest) }
    }
    default:
      throw invalid('A git URL begins with https://, http://, ssh:// or file://, or has the form user@host:path.')
  }
}

function parseHttp(url: string): GitUrl {
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (parsed === null || parsed.hostname === '') throw invalid('This is not a valid URL.')
  if (parsed.username !== '' || parsed.password !== '') throw credentialsInside()
  if (parsed.search !== '' || parsed.hash !== '') throw invalid('A git URL has no query and no fragment.')
  const path = parsed.pathname.replace(/\/{1,16}$/, '')
  return { kind: 'http', url: `${parsed.protocol}//${parsed.host}${path}`, host: parsed.host, path: decoded(path) }
}

/** `[user@]host[:port]/path`, after `ssh://`. */
function parseSsh(rest: string): GitUrl {
  const slash = rest.indexOf('/')
  if (slash < 0) throw invalid('An ssh URL has a path, such as ssh://git@example.org/lib.git.')
  const { user, host: hostAndPort } = splitUser(rest.slice(0, slash))
  const colon = hostAndPort.startsWith('[')
    ? hostAndPort.indexOf(':', hostAndPort.indexOf(']'))
    : hostAndPort.indexOf(':')
  const host = colon < 0 ? hostAndPort : hostAndPort.slice(0, colon)
  const port = colon < 0 ? null : portNumber(hostAndPort.slice(colon + 1))
  const path = decoded(rest.slice(slash))
  return sshUrl(user, host, port, path.startsWith('/~') ? path.slice(1) : path)
}

/** `[user@]host:path`; a slash before the first colon would make it a relative path, as for git. */
function parseScpLike(url: string): GitUrl {
  const bracket = url.indexOf('[')
  const colon = bracket < 0 ? url.indexOf(':') : url.indexOf(':', url.indexOf(']'))
  if (colon <= 0 || url.slice(0, colon).includes('/')) {
    throw invalid('A git URL begins with https://, http://, ssh:// or file://, or has the form user@host:path.')
  }
  const { user, host } = splitUser(url.slice(0, colon))
  const path = url.slice(colon + 1)
  // Git would take `me:password@host:path` for the host `me`.
  if (user === null && (path.split('/', 1)[0] ?? '').includes('@')) throw credentialsInside()
  return sshUrl(user, host, null, path)
}

function splitUser(authority: string): { user: string | null; host: string } {
  const at = authority.lastIndexOf('@')
  if (at < 0) return { user: null, host: authority }
  const user = authority.slice(0, at)
  if (user.includes(':')) throw credentialsInside()
  return { user, host: authority.slice(at + 1) }
}

/** The characters are restricted, because all of these become arguments of programs. */
function sshUrl(user: string | null, bracketed: string, port: number | null, path: string): GitUrl {
  const host = /^\[[0-9A-Fa-f:.]+\]$/.test(bracketed) ? bracketed.slice(1, -1) : bracketed
  if (!/^[A-Za-z0-9:][A-Za-z0-9._:-]{0,254}$/.test(host)) throw invalid('The host in the ssh URL is not valid.')
  if (host === bracketed && host.includes(':')) throw invalid('The host in the ssh URL is not valid.')
  if (user !== null && !/^[A-Za-z0-9._][A-Za-z0-9._@+-]{0,127}$/.test(user)) {
    throw invalid('The user in the ssh URL is not valid.')
  }
  if (path === '' || path === '/' || path.startsWith('-')) throw invalid('The path in the ssh URL is not valid.')
  return { kind: 'ssh', user, host, port, path }
}

function portNumber(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65535) throw invalid('The port in the ssh URL is not valid.')
  return port
}

function decoded(path: string): string {
  let text: string
  try {
    text = decodeURIComponent(path)
  } catch (cause) {
    throw new AppError('invalid', 'The path in the git URL has a broken percent sign.', { cause })
  }
  if (/\p{Cc}/u.test(text)) throw invalid('A git URL has no spaces and no control characters.')
  return text
}

function hasControlOrSpace(text: string): boolean {
  return /[\s\p{Cc}]/u.test(text)
}

function credentialsInside(): AppError {
  return invalid('A git URL must not contain credentials; put them into auth_credentials.')
}

function invalid(sentence: string): AppError {
  return new AppError('invalid', sentence)
}
