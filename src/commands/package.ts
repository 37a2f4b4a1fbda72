import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { AppError } from '../errors.ts'
import { withoutControls } from '../printable.ts'
import { type Command, columns, EXIT, print, UsageError } from './command.ts'
import { type ManagementClient, withManagementApi } from './management-client.ts'

/** A package as the management API shows it, as far as commands read it. */
interface PackageView {
  readonly id: string
  readonly name: string
  readonly type: string
  readonly description: string | null
  readonly latest_version: string | null
  readonly downloads: number
  readonly versions: readonly { version: string; released_at: number; reference: string; downloads: number }[]
  readonly withdrawn_versions: readonly { version: string; withdrawn_at: number; reference: string }[]
}

/** `package list|show|withdraw|restore`. */
export const packages: Command = {
  summary: 'list and show packages, withdraw and restore versions',
  help: `Usage: package-broker package list [--json]
       package-broker package show NAME [--json]
       package-broker package withdraw NAME VERSION
       package-broker package restore NAME VERSION

withdraw  takes a version out of the metadata; it does not come back with a sync. Lock files that name it keep
          installing. restore undoes that.`,
  async run(args) {
    const [action, ...rest] = args
    if (action === 'list') return list(rest)
    if (action === 'show') return show(rest)
    if (action === 'withdraw' || action === 'restore') return change(action, rest)
    throw new UsageError('package needs one of list, show, withdraw and restore.')
  },
}

async function list(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean', default: false } } })
  const rows = await withManagementApi(readConfig(), (api) => api.list('/api/packages?limit=1000'))
  print(values.json, rows, () =>
    columns([
      ['NAME', 'LATEST', 'TYPE', 'DOWNLOADS', 'DESCRIPTION'],
      ...rows.map((row) => [row.name, row.latest_version ?? '–', row.type, row.downloads, oneLine(row)].map(String)),
    ]),
  )
  return EXIT.done
}

async function show(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false } },
  })
  const [name, ...more] = positionals
  if (name === undefined || more.length > 0) throw new UsageError('package show needs one name.')
  const view = await withManagementApi(readConfig(), async (api) => {
    const id = await idOf(api, name)
    return (await api.call('GET', `/api/packages/${id}`)) as PackageView
  })
  print(values.json, view, () => [
    `${view.id}  ${view.name}  ${view.type}  ${view.downloads} downloads  ${oneLine(view)}`.trimEnd(),
    ...columns([
      ['VERSION', 'RELEASED', 'DOWNLOADS', 'REFERENCE'],
      ...view.versions.map((row) => [row.version, day(row.released_at), String(row.downloads), row.reference]),
    ]),
    ...view.withdrawn_versions.map((row) => `withdrawn ${row.version} on ${day(row.withdrawn_at)}  ${row.reference}`),
  ])
  return EXIT.done
}

async function change(action: 'withdraw' | 'restore', args: string[]): Promise<number> {
  const { positionals } = parseArgs({ args, allowPositionals: true, options: {} })
  const [name, version, ...more] = positionals
  if (name === undefined || version === undefined || more.length > 0) {
    throw new UsageError(`package ${action} needs a name and a version.`)
  }
  const done = await withManagementApi(readConfig(), async (api) => {
    const path = `/api/packages/${await idOf(api, name)}/versions/${encodeURIComponent(version)}`
    const answer = action === 'withdraw' ? api.call('DELETE', path) : api.call('POST', `${path}/restore`)
    return (await answer) as { version: string; offered: boolean }
  })
  console.log(`${action === 'withdraw' ? 'Withdrew' : 'Restored'} ${name} ${done.version}.`)
  if (action === 'restore' && !done.offered) {
    console.log('Its tag or branch does not name that commit any more; the sync that runs now says what is offered.')
  }
  return EXIT.done
}

/** The id of the package with this name. Throws AppError('not_found'). */
async function idOf(api: ManagementClient, name: string): Promise<string> {
  const rows = await api.list(`/api/packages?limit=1000&q=${encodeURIComponent(name)}`)
  const row = rows.find((candidate) => String(candidate.name).toLowerCase() === name.toLowerCase())
  if (!row) throw new AppError('not_found', `There is no package ${name}.`)
  return String(row.id)
}

function oneLine(row: { readonly description?: unknown }): string {
  if (typeof row.description !== 'string') return ''
  return withoutControls(row.description.slice(0, 1_000).replace(/\s+/g, ' ')).trim().slice(0, 100)
}

function day(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 10)
}
