import type { Caller } from '../../auth/scope.ts'
import { pathStart } from '../base-url.ts'
import { admit } from '../plugins/authenticate.ts'
import { archiveAnswer, documentAnswer, parseDocumentName } from './answers.ts'
import type { ComposerRoutesParts } from './routes.ts'

/** Characters that need no decoding; an address with any other goes the way of the router. */
const DOCUMENT = /^\/p2\/([\w.~-]+)\/([\w.~-]+)(\?minified=1)?$/
const ARCHIVE = /^\/dist\/[\w./?=+~-]+$/

/**
 * Answers the two requests that Composer sends by the hundred, in the form it sends them, without the router: finding
 * and calling a route costs more than the answer itself; and HEAD for archives. Null for every other request, also for the same documents
 * asked for in another form; routes.ts answers those, and the same. Throws what the routes throw.
 */
export function composerDirect(parts: ComposerRoutesParts) {
  return (request: Request): Response | Promise<Response> | null => {
    const pathAt = pathStart(request.url)
    const answer = answerOf(parts, request, pathAt)
    if (!answer) return null
    const caller = admit(parts.verifier, 'any token', request)
    return caller instanceof Promise ? caller.then(answer) : answer(caller)
  }
}

function answerOf(parts: ComposerRoutesParts, request: Request, pathAt: number) {
  const address = request.url.slice(pathAt)
  // Elysia counts the bytes of a body for HEAD, and takes one that is left out for empty.
  if (request.method === 'HEAD' && address.startsWith('/dist/')) {
    return (caller: Caller) => archiveAnswer(parts, caller, request, pathAt)
  }
  if (request.method !== 'GET') return null
  const [, vendor, file, minified] = DOCUMENT.exec(address) ?? []
  if (vendor !== undefined && file !== undefined) {
    return (caller: Caller) => {
      const wanted = { ...parseDocumentName(vendor, file), minified: minified !== undefined }
      return documentAnswer(parts, caller, request, wanted)
    }
  }
  if (!ARCHIVE.test(address)) return null
  return (caller: Caller) => archiveAnswer(parts, caller, request, pathAt)
}
