import { AppError } from '../errors.ts'

/** `vcs_type` of a repository that packages are taken from when they are asked for. */
export const COMPOSER = 'composer'

/**
 * The address of an upstream as it is stored, without `/packages.json` and slashes at its end, and the text that is
 * equal for every spelling of it. Throws AppError('invalid') with `details.fields`.
 */
export function upstreamAddress(text: string): { url: string; urlKey: string } {
  const parsed = URL.canParse(text) ? new URL(text) : null
  if (parsed === null || (parsed.protocol !== 'https:' && parsed.protocol !== 'http:')) {
    throw wrong('needs the http or https address of a Composer repository, like https://repo.packagist.org')
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw wrong('must not contain a user or password; they belong into auth_credentials, as credential_type http_basic')
  }
  if (parsed.search !== '' || parsed.hash !== '') throw wrong('must not have a query or a fragment')
  const path = parsed.pathname.replace(/\/packages\.json$/, '').replace(/\/+$/, '')
  return { url: `${parsed.origin}${path}`, urlKey: `${COMPOSER}:${parsed.host}${path}` }
}

function wrong(expected: string): AppError {
  return new AppError('invalid', `url ${expected}.`, { details: { fields: { url: expected } } })
}
