import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { withoutControls } from '../printable.ts'
import { type Command, columns, EXIT, print, UsageError } from './command.ts'
import { withManagementApi } from './management-client.ts'
import { only } from './repository-arguments.ts'

/** `filter add|list|remove`. */
export const filter: Command = {
  summary: 'versions that nobody is to install',
  help: `Usage: package-broker filter add LIST PACKAGE --constraint CONSTRAINT [--reason TEXT] [--url URL] [--block] [--json]
       package-broker filter list [--list LIST] [--package NAME] [--json]
       package-broker filter remove ID

add     puts versions of a package on a filter list. Those on malware are refused to every client; those on a list of
        another name count where a project names the list, and are refused with --block.`,
  async run(args) {
    const [action, ...rest] = args
    if (action === 'add') return add(rest)
    if (action === 'list') return list(rest)
    if (action === 'remove') return remove(rest)
    throw new UsageError('filter needs one of add, list and remove.')
  },
}

async function add(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      constraint: { type: 'string' },
      reason: { type: 'string' },
      url: { type: 'string' },
      block: { type: 'boolean' },
      json: { type: 'boolean', default: false },
    },
  })
  const { constraint, block, json, ...more } = values
  const [name, packageName, ...rest] = positionals
  if (name === undefined || packageName === undefined || rest.length > 0 || constraint === undefined)
    throw new UsageError('filter add needs a list, a package and --constraint.')
  const blocks = block === undefined ? {} : { blocks: block }
  const body = { list: name, package_name: packageName, constraint, ...more, ...blocks }
  const created = await withManagementApi(readConfig(), (api) => api.call('POST', '/api/filters', body))
  print(json, created, () => [(created as { id: string }).id])
  return EXIT.done
}

async function list(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { list: { type: 'string' }, package: { type: 'string' }, json: { type: 'boolean', default: false } },
  })
  const { json, ...filters } = values
  const query = new URLSearchParams({ limit: '1000', ...filters })
  const rows = await withManagementApi(readConfig(), (api) => api.list(`/api/filters?${query}`))
  print(json, rows, () =>
    columns([
      ['ID', 'LIST', 'PACKAGE', 'VERSIONS', 'BLOCKS', 'REASON'],
      ...rows.map((row) =>
        [row.id, row.list, row.package_name, row.constraint, row.blocks ? 'yes' : 'no', row.reason ?? '–'].map((cell) =>
          withoutControls(String(cell)),
        ),
      ),
    ]),
  )
  return EXIT.done
}

async function remove(args: string[]): Promise<number> {
  const id = only(args, 'filter remove needs one id.')
  await withManagementApi(readConfig(), (api) => api.call('DELETE', `/api/filters/${encodeURIComponent(id)}`))
  console.log(`Removed ${id}.`)
  return EXIT.done
}
