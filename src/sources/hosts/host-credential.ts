import { AppError } from '../../errors.ts'
import type { SourceCredentials } from '../source.ts'

/** Kinds of host that have an API here, as `vcs_type` names them. */
export const HOST_TYPES = ['github', 'gitlab', 'bitbucket', 'gitea'] as const

/** One of the kinds of host. */
export type HostType = (typeof HOST_TYPES)[number]

/** Whether a `vcs_type` is that of a host with an API. */
export function isHostType(vcsType: string): vcsType is HostType {
  return (HOST_TYPES as readonly string[]).includes(vcsType)
}

/** A credential of a host, told by its form. */
export interface HostCredential {
  /** What the host calls it. */
  readonly form: string
  /** The user name git over HTTP wants beside it. */
  readonly gitUser: string
  /** The header its API wants; null when it is for git only. */
  readonly apiAuthorization: string | null
}

/** A form of token: how it begins, what it is, and why it is refused when it is. */
interface TokenForm {
  readonly pattern: RegExp
  readonly form: string
  readonly refused?: string
}

const FORMS: Readonly<Record<HostType, readonly TokenForm[]>> = {
  github: [
    { pattern: /^github_pat_/, form: 'fine-grained token' },
    { pattern: /^(?:ghp_|[0-9a-f]{40}$)/, form: 'classic token' },
    { pattern: /^gh[ou]_/, form: 'token of an OAuth or GitHub App user' },
    {
      pattern: /^ghs_/,
      form: '',
      refused: 'An installation token ends after an hour; give the GitHub App with its key instead.',
    },
    { pattern: /^ghr_/, form: '', refused: 'A refresh token opens nothing; give a personal access token.' },
  ],
  gitlab: [
    { pattern: /^gldt-/, form: 'deploy token' },
    { pattern: /^glpat-/, form: 'personal, project or group access token' },
    { pattern: /^glcbt-/, form: '', refused: 'A job token ends with its job; give a project or group access token.' },
    {
      pattern: /^gl(?:ptt|ft|imt|rt|agent|soat|oas)-/,
      form: '',
      refused:
        'This token of GitLab does not open repositories; give an access token with “read_api” and “read_repository”.',
    },
  ],
  bitbucket: [
    {
      pattern: /^ATBB/,
      form: '',
      refused:
        'Bitbucket retired app passwords; give an API token with the scope “read:repository:bitbucket”, as “e-mail:token”.',
    },
    { pattern: /^ATATT/, form: 'API token' },
    { pattern: /^ATCTT/, form: 'access token' },
    { pattern: /^BBDC-/, form: 'HTTP access token' },
  ],
  gitea: [{ pattern: /^[0-9a-f]{40}$/, form: 'access token' }],
}

/**
 * What a credential is for a host, by its form: nothing is asked. Null for none and for an ssh key, with which the API is
 * asked as by a stranger, and for a GitHub App, whose tokens are those of `GithubApps`. Throws AppError('invalid') for a
 * form that the host retired, or that cannot be kept.
 */
export function hostCredential(host: HostType, credentials: SourceCredentials): HostCredential | null {
  if (credentials.type === 'token') return ofToken(host, credentials.token)
  if (credentials.type === 'http_basic') return ofUser(host, credentials.username, credentials.password)
  if (credentials.type === 'none' || credentials.type === 'ssh_key') return null
  if (credentials.type === 'github_app' && host === 'github') return null
  throw invalid('A git host takes its token as credential_type token or http_basic.')
}

function ofToken(host: HostType, token: string): HostCredential {
  const form = formOf(host, token)
  if (form === 'deploy token') {
    throw invalid('A deploy token needs its user name: give it as http_basic, “gitlab+deploy-token-1:token”.')
  }
  if (form === 'API token') {
    throw invalid('An API token of Bitbucket needs the e-mail of its account: give it as http_basic, “e-mail:token”.')
  }
  const scheme = host === 'gitea' ? 'token' : 'Bearer'
  return { form, gitUser: GIT_USERS[host], apiAuthorization: `${scheme} ${token}` }
}

function ofUser(host: HostType, username: string, password: string): HostCredential {
  const form = formOf(host, password)
  const basic = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  if (form === 'deploy token') return { form, gitUser: username, apiAuthorization: null }
  if (form === 'API token') {
    if (!username.includes('@'))
      throw invalid('The user name beside an API token of Bitbucket is the e-mail of its account.')
    return { form, gitUser: 'x-bitbucket-api-token-auth', apiAuthorization: basic }
  }
  // A GitLab may be set up to give its tokens another prefix, and an old token has none.
  if (form !== UNKNOWN || host === 'gitlab') return { ...ofToken(host, password), gitUser: username }
  if (host === 'github') {
    throw invalid('GitHub takes no passwords; give a personal access token as credential_type token.')
  }
  return { form: 'user name and password', gitUser: username, apiAuthorization: basic }
}

const UNKNOWN = 'token'

const GIT_USERS: Readonly<Record<HostType, string>> = {
  github: 'x-access-token',
  gitlab: 'oauth2',
  bitbucket: 'x-token-auth',
  gitea: 'oauth2',
}

/** A form that is not known is a token all the same: hosts that one runs oneself may have others. */
function formOf(host: HostType, token: string): string {
  const found = FORMS[host].find(({ pattern }) => pattern.test(token))
  if (found?.refused !== undefined) throw invalid(found.refused)
  return found?.form ?? UNKNOWN
}

function invalid(sentence: string): AppError {
  return new AppError('invalid', sentence, { details: { fields: { auth_credentials: sentence } } })
}
