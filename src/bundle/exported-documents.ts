import { join } from 'node:path'
import { asObject, jsonValue, type RawFields } from '../composer/json.ts'
import { AppError } from '../errors.ts'
import { documentText } from '../mirror/document-text.ts'
import { readKeptDocument } from '../mirror/package-document.ts'
import { readTextFile } from './export-directory.ts'
import type { VerifiedExport } from './verify-export.ts'

/** A document of an export, with the addresses that its archives have at the server it was made from. */
export interface ExportedDocument {
  readonly name: string
  readonly dev: boolean
  readonly text: string
}

/** A document and the archives that it names: address at the server it was made from to path in the export. */
export interface ExportedPackage {
  readonly document: ExportedDocument
  readonly archives: ReadonlyMap<string, string>
}

const DOCUMENT = /^p2\/([^/]+\/[^/]+?)(~dev)?\.json$/
/** Largest document that is imported, in bytes: it is sent inside another JSON text. */
const MAX_DOCUMENT_BYTES = 900_000

/** The documents of an export, one after the other. Throws AppError('invalid') for one that is none. */
export async function* exportedDocuments({ path, manifest }: VerifiedExport): AsyncGenerator<ExportedPackage> {
  const archives = new Map(manifest.files.flatMap((file) => (file.archive ? [[file.path, file.archive]] : [])))
  for (const file of manifest.files) {
    const [, name, dev] = DOCUMENT.exec(file.path) ?? []
    if (name === undefined) continue
    const document = readKeptDocument(await readTextFile(join(path, file.path), MAX_DOCUMENT_BYTES), name)
    if (document === null || document.minified) throw new AppError('invalid', `${file.path} is not about ${name}.`)
    const paths = new Map<string, string>()
    const versions = document.versions.map((fields) => {
      const dist = asObject(jsonValue(fields.get('dist')))
      if (dist === null) return fields
      const at = typeof dist.url === 'string' ? dist.url.slice(manifest.baseUrl.length + 1) : ''
      const archive = archives.get(at)
      if (archive?.package !== name) throw new AppError('invalid', `${file.path} names an archive that is not in it.`)
      const url = manifest.origin + archive.address
      paths.set(url, at)
      return withDist(fields, { ...dist, url })
    })
    const text = documentText(name, { ...document, versions })
    yield { document: { name, dev: dev !== undefined, text }, archives: paths }
  }
}

function withDist(fields: RawFields, dist: object): RawFields {
  return new Map(fields).set('dist', JSON.stringify(dist))
}
