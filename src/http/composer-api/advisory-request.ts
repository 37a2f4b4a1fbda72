import { nameOfPurl } from '../../composer/purl.ts'
import { AppError } from '../../errors.ts'

/** What is asked of the API of advisories: some packages, or everything that changed since a second. */
export type AdvisoryRequest = { readonly names: readonly string[] } | { readonly since: number }

/** Most names that one request may ask for: several times the largest projects. */
export const MOST_NAMES = 5_000
/** Longest form, in bytes. */
const LONGEST_BODY = 1024 * 1024
const LONGEST_NAME = 300

/**
 * Reads `packages[]=acme/lib` (or package URLs) or `updatedSince=<Unix seconds>`, out of the query and, of a POST, the
 * form in the body. Throws AppError('invalid') when it asks for neither, for both or for too much, and
 * AppError('too_large').
 */
export async function readAdvisoryRequest(request: Request, now: number): Promise<AdvisoryRequest> {
  const form = request.method === 'POST' ? new URLSearchParams(await readForm(request)) : []
  const fields = [...new URL(request.url).searchParams, ...form]
  const packages = fields.filter(([key]) => /^packages(?:\[\d{0,9}\])?$/.test(key)).map(([, value]) => value)
  const since = fields.find(([key]) => key === 'updatedSince')?.[1]
  if (packages.length > 0 && since !== undefined) throw invalid('Ask for packages or for updatedSince, not for both.')
  if (packages.length > MOST_NAMES) throw invalid(`One request may ask for ${MOST_NAMES} packages.`)
  if (packages.length > 0) return { names: packageNames(packages) }
  if (since === undefined) throw invalid('Name packages with packages[]=vendor/name, or a time with updatedSince.')
  if (!/^\d{1,12}$/.test(since) || Number(since) > now) throw invalid('updatedSince needs a past time in Unix seconds.')
  return { since: Number(since) }
}

/** Lower-case names out of names and package URLs, each once. */
export function packageNames(texts: readonly string[]): string[] {
  return [...new Set(texts.filter((text) => text.length <= LONGEST_NAME).map(nameOfPurl))]
}

async function readForm(request: Request): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of request.body ?? []) {
    length += chunk.length
    if (length > LONGEST_BODY) throw new AppError('too_large', `The body is larger than ${LONGEST_BODY} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function invalid(sentence: string): AppError {
  return new AppError('invalid', sentence)
}
