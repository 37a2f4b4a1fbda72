import { createHash } from 'node:crypto'
import { writeJsonObject } from '../composer/json.ts'
import type { UpstreamDocument } from './upstream.ts'

/** The JSON text by which a document of a package is kept, in the form of a metadata file. */
export function documentText(name: string, { versions, minified, advisories, filter }: UpstreamDocument): string {
  const list = `[${versions.map(writeJsonObject).join(',')}]`
  return writeJsonObject([
    ['packages', writeJsonObject([[name, list]])],
    ...(minified ? ([['minified', '"composer/2.0"']] as const) : []),
    ...(advisories === null ? [] : ([['security-advisories', advisories]] as const)),
    ...(filter === null ? [] : ([['filter', filter]] as const)),
  ])
}

/** Another one for another text. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
