import { Elysia } from 'elysia'
import { type Caller, coversAllPackages, isUnrestricted } from '../../auth/scope.ts'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { AppError, isAppError } from '../../errors.ts'
import { readJsonBody } from './json-body.ts'

/** Who may use the routes of a feature. */
export type AccessRule = 'any token' | 'token for everything' | 'write token' | 'unrestricted token'

/** How bodies are read: as JSON of a bounded size, or by the routes themselves from `request.body`. */
export type BodyForm = 'json' | 'raw'

/**
 * Puts `caller` into the context of the feature that uses it, or answers 401 or 403. It hooks into parsing as well as
 * into `derive`, since Elysia reads a body before it derives: a stranger's body is not worth reading.
 */
export function authenticate(verifier: TokenVerifier, rule: AccessRule, body: BodyForm = 'json') {
  return (
    new Elysia({ name: 'authenticate', seed: `${rule} ${body}` })
      .onParse({ as: 'scoped' }, async ({ request }) => {
        await admit(verifier, rule, request)
        // Anything but undefined ends the parsing.
        return body === 'json' ? readJsonBody(request) : null
      })
      // Elysia awaits only what is written as async: a promise returned by a plain function would be lost.
      .derive({ as: 'scoped' }, async ({ request }) => ({ caller: await admit(verifier, rule, request) }))
  )
}

/** The caller of a request, who is let in by this rule. Throws what `authenticate` answers with. */
export function admit(verifier: TokenVerifier, rule: AccessRule, request: Request): Caller | Promise<Caller> {
  const caller = verifier.admit(request)
  return caller instanceof Promise ? caller.then((found) => allowed(found, rule)) : allowed(caller, rule)
}

/** Whether a caller who was let in before would be let in by this rule now. */
export function mayStill(caller: Caller, rule: AccessRule): boolean {
  try {
    allowed(caller, rule)
    return true
  } catch (error) {
    if (isAppError(error, 'forbidden')) return false
    throw error
  }
}

function allowed(caller: Caller, rule: AccessRule): Caller {
  if (rule === 'token for everything') {
    if (coversAllPackages(caller.scope)) return caller
    throw new AppError('forbidden', 'This needs a token that covers every package.')
  }
  if (rule !== 'any token' && caller.permissions !== 'write') {
    throw new AppError('forbidden', 'This needs a token with write permission; the one sent is readonly.')
  }
  if (rule === 'unrestricted token' && !isUnrestricted(caller)) {
    throw new AppError('forbidden', 'This needs a write token without allowed_package_prefixes.')
  }
  return caller
}
