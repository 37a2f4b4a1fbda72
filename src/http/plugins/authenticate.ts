import { Elysia } from 'elysia'
import { type Caller, isUnrestricted } from '../../auth/scope.ts'
import type { TokenVerifier } from '../../auth/tokens.ts'
import { AppError } from '../../errors.ts'

/** Who may use the routes of a feature. */
export type AccessRule = 'any token' | 'write token' | 'unrestricted token'

/**
 * Puts `caller` into the context of the feature that uses it, or answers 401 or 403. It hooks into parsing as well as
 * into `derive`, since Elysia reads a body before it derives: a stranger's body is not worth reading.
 */
export function authenticate(verifier: TokenVerifier, rule: AccessRule) {
  return (
    new Elysia({ name: 'authenticate', seed: rule })
      .onParse({ as: 'scoped' }, async ({ request }) => {
        await admit(verifier, rule, request)
      })
      // Elysia awaits only what is written as async: a promise returned by a plain function would be lost.
      .derive({ as: 'scoped' }, async ({ request }) => ({ caller: await admit(verifier, rule, request) }))
  )
}

/** The caller of a request, who is let in by this rule. Throws what `authenticate` answers with. */
export function admit(verifier: TokenVerifier, rule: AccessRule, request: Request): Caller | Promise<Caller> {
  const caller = verifier.verify(request.headers.get('authorization'))
  return caller instanceof Promise ? caller.then((found) => allowed(found, rule)) : allowed(caller, rule)
}

function allowed(caller: Caller, rule: AccessRule): Caller {
  if (rule !== 'any token' && caller.permissions !== 'write') {
    throw new AppError('forbidden', 'This needs a token with write permission; the one sent is readonly.')
  }
  if (rule === 'unrestricted token' && !isUnrestricted(caller)) {
    throw new AppError('forbidden', 'This needs a write token without allowed_package_prefixes.')
  }
  return caller
}
