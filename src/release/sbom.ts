import { createHash } from 'node:crypto'
import type { LockedPackage } from './lock-file.ts'

/** A part of the executable. */
export interface Component extends LockedPackage {
  /** An SPDX identifier or expression; null when the package names none. */
  readonly licence: string | null
}

/** What the executable is. */
export interface Product {
  readonly name: string
  readonly version: string
  readonly licence: string
  readonly description: string
  /** Facts about the build, by their names. */
  readonly facts: Readonly<Record<string, string>>
}

/**
 * A bill of materials in JSON, CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/). The same parts give the same text:
 * it is dated by nothing, and its serial number comes from what it says.
 */
export function billOfMaterials(product: Product, components: readonly Component[]): string {
  const sorted = [...components].sort((a, b) => (purlOf(a) < purlOf(b) ? -1 : 1))
  const root = `${product.name}@${product.version}`
  const said = {
    metadata: {
      component: {
        type: 'application',
        'bom-ref': root,
        name: product.name,
        version: product.version,
        description: product.description,
        ...licensed(product.licence),
      },
      properties: Object.entries(product.facts).map(([name, value]) => ({ name: `${product.name}:${name}`, value })),
    },
    components: sorted.map(described),
    dependencies: [{ ref: root, dependsOn: sorted.map(purlOf) }, ...sorted.map((part) => relations(part, sorted))],
  }
  const head = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: serialNumber(JSON.stringify(said)),
    version: 1,
  }
  return `${JSON.stringify({ ...head, ...said }, null, 2)}\n`
}

function described(part: Component) {
  return {
    type: 'library',
    'bom-ref': purlOf(part),
    name: part.name,
    version: part.version,
    scope: 'required',
    hashes: [{ alg: 'SHA-512', content: sha512Of(part) }],
    ...licensed(part.licence),
    purl: purlOf(part),
  }
}

function relations(part: Component, all: readonly Component[]) {
  const dependsOn = all.filter((other) => part.asksFor.includes(other.name)).map(purlOf)
  return { ref: purlOf(part), dependsOn }
}

/** https://github.com/package-url/purl-spec: the @ of a scope is encoded, its slash is not. */
function purlOf({ name, version }: LockedPackage): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`
}

function sha512Of({ name, integrity }: LockedPackage): string {
  const base64 = /^sha512-([\w+/]{86}==)$/.exec(integrity)?.[1]
  if (base64 === undefined) throw new Error(`bun.lock has no SHA-512 of ${name}.`)
  return Buffer.from(base64, 'base64').toString('hex')
}

function licensed(licence: string | null) {
  if (licence === null) return {}
  const isExpression = /[\s()]/.test(licence)
  return { licenses: [isExpression ? { expression: licence } : { license: { id: licence } }] }
}

/** A UUID of version 8, whose bits are anybody's own. */
function serialNumber(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
