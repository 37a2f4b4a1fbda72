import { Elysia } from 'elysia'
import { AppError } from '../../errors.ts'

/** Deepest nesting read; what the API takes is three levels deep. */
const MAX_DEPTH = 32

/**
 * Reads bodies for a feature. A deeply nested one is refused before Elysia sees it: describing what is wrong with it
 * takes Elysia time that grows with the square of the depth. An empty body is none, whatever content type is named.
 */
export function jsonBody() {
  return new Elysia({ name: 'json-body' }).onParse({ as: 'scoped' }, async ({ request, contentType }) => {
    // Null ends the parsing, undefined goes on with it.
    if (request.body === null || request.headers.get('content-length') === '0') return null
    if (contentType !== 'application/json') return undefined
    const text = await request.text()
    if (depthOf(text) > MAX_DEPTH) {
      throw new AppError('invalid', `The body is nested more than ${MAX_DEPTH} levels deep.`)
    }
    return JSON.parse(text) as unknown
  })
}

/** Deepest nesting of a JSON text; of a text that is no JSON, some number. */
function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  let quoted = false
  for (let index = 0; index < text.length; index++) {
    const character = text[index]
    if (quoted && character === '\\') index++
    else if (character === '"') quoted = !quoted
    else if (!quoted && (character === '[' || character === '{')) deepest = Math.max(deepest, ++depth)
    else if (!quoted && (character === ']' || character === '}')) depth--
  }
  return deepest
}
