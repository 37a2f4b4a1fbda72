import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { withoutControls } from '../printable.ts'
import { type Command, columns, EXIT, print, UsageError } from './command.ts'
import { withManagementApi } from './management-client.ts'
import { only } from './repository-arguments.ts'

/** `advisory add|list|remove`. */
export const advisory: Command = {
  summary: 'security advisories of this server',
  help: `Usage: package-broker advisory add PACKAGE --affected CONSTRAINT --title TEXT [--cve CVE] [--link URL]
                                    [--severity low|medium|high|critical] [--json]
       package-broker advisory list [--package NAME] [--json]
       package-broker advisory remove ID

add     names weak versions of a package, of this server or of another one. composer audit and blocked updates read it.`,
  async run(args) {
    const [action, ...rest] = args
    if (action === 'add') return add(rest)
    if (action === 'list') return list(rest)
    if (action === 'remove') return remove(rest)
    throw new UsageError('advisory needs one of add, list and remove.')
  },
}

async function add(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      affected: { type: 'string' },
      title: { type: 'string' },
      cve: { type: 'string' },
      link: { type: 'string' },
      severity: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  })
  const { affected, title, json, ...more } = values
  if (affected === undefined || title === undefined) throw new UsageError('advisory add needs --affected and --title.')
  const body = {
    package_name: only(positionals, 'advisory add needs one package.'),
    affected_versions: affected,
    title,
    ...more,
  }
  const created = await withManagementApi(readConfig(), (api) => api.call('POST', '/api/advisories', body))
  print(json, created, () => [(created as { id: string }).id])
  return EXIT.done
}

async function list(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { package: { type: 'string' }, json: { type: 'boolean', default: false } },
  })
  const query = values.package === undefined ? '' : `&package=${encodeURIComponent(values.package)}`
  const rows = await withManagementApi(readConfig(), (api) => api.list(`/api/advisories?limit=1000${query}`))
  print(values.json, rows, () =>
    columns([
      ['ID', 'PACKAGE', 'AFFECTED', 'SEVERITY', 'CVE', 'TITLE'],
      ...rows.map((row) =>
        [row.id, row.package_name, row.affected_versions, row.severity ?? '–', row.cve ?? '–', row.title].map((cell) =>
          withoutControls(String(cell)),
        ),
      ),
    ]),
  )
  return EXIT.done
}

async function remove(args: string[]): Promise<number> {
  const id = only(args, 'advisory remove needs one id.')
  await withManagementApi(readConfig(), (api) => api.call('DELETE', `/api/advisories/${encodeURIComponent(id)}`))
  console.log(`Removed ${id}.`)
  return EXIT.done
}
