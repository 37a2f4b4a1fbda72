import { cleanText } from '../../git/failure.ts'
import type { ReadRefusal } from './host-api.ts'

/** What GitHub means by a refusal (GitHub: troubleshooting the REST API). */
export const readGithubRefusal: ReadRefusal = ({ status, headers, body }, wanted) => {
  const message = cleanText(body.optionalText('message') ?? '')
  const sso = headers.get('x-github-sso')
  if (status === 403 && sso !== null) {
    return {
      reason: 'sso',
      sentence: 'The organisation requires single sign-on: authorize the token for it in the token settings of GitHub.',
    }
  }
  const limited = headers.get('x-ratelimit-remaining') === '0' || /rate limit/i.test(message)
  if (status === 403 && (limited || headers.has('retry-after'))) return { reason: 'rate_limited', sentence: message }
  if (status === 451) return { reason: 'refused', sentence: 'GitHub took this repository down for legal reasons.' }
  const lacking = (status === 403 || status === 404) && lackingScope(headers, message)
  if (lacking) return { reason: 'scope', sentence: `The token is too weak to ${wanted}: it needs ${lacking}.` }
  return null
}

/** The permission a token lacks; null when it has what is wanted, or GitHub does not say. */
function lackingScope(headers: Headers, message: string): string | null {
  const fine = headers.get('x-accepted-github-permissions')
  if (/resource not accessible by/i.test(message)) {
    return fine === null ? 'a permission that it was not given' : `the permission ${cleanText(fine)}`
  }
  const accepted = scopes(headers.get('x-accepted-oauth-scopes'))
  const granted = headers.get('x-oauth-scopes')
  // Classic tokens name their scopes in every answer. A private repository is hidden from one without “repo”.
  if (granted === null || accepted.length === 0) return null
  const has = new Set(scopes(granted))
  return accepted.some((scope) => has.has(scope))
    ? null
    : `the scope ${accepted.map((scope) => `“${scope}”`).join(' or ')}`
}

/** The names in a list separated by commas. */
export function scopes(text: string | null): string[] {
  return (text ?? '')
    .slice(0, 4000)
    .split(',')
    .map((each) => cleanText(each))
    .filter((each) => each !== '')
}
