import type { VersionRow } from '../store/sync-state.ts'

/** `dist` of a version as metadata has it; `name` is the lower-case full name, the address is absolute. */
export function distOf(name: string, row: VersionRow, baseUrl: string) {
  const version = row.version.split('/').map(encodeURIComponent).join('/')
  const moving = row.kind === 'branch' ? `?reference=${row.reference}` : ''
  const url = `${baseUrl}/dist/${name}/${version}.zip${moving}`
  const shasum = row.shasum === '' ? {} : { shasum: row.shasum }
  return { type: 'zip', url, reference: row.reference, ...shasum }
}
