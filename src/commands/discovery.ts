import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { type Command, EXIT, print, tableOf, UsageError } from './command.ts'
import {
  type DiscoveryView,
  discoveryPath,
  foundBy,
  foundLine,
  reportDiscovery,
  waitForLook,
} from './discovery-progress.ts'
import { withManagementApi } from './management-client.ts'
import { only } from './repository-arguments.ts'

/** `discovery list|show|look|remove`. */
export const discovery: Command = {
  summary: 'owners at git hosts whose repositories are added as they appear',
  help: `Usage: package-broker discovery list [--json]
       package-broker discovery show ID [--json]
       package-broker discovery look ID [--accept-removals] [--json]
       package-broker discovery remove ID

show    prints everything that was found, and why it is not added.
look    lists everything again now. --accept-removals confirms that most repositories are meant to be gone from the listing.
remove  looks no more; the repositories that were added stay. They are added by package-broker import github:OWNER.`,
  async run(args) {
    const [action, ...rest] = args
    if (action === 'list') return list(rest)
    if (action === 'show') return show(rest)
    if (action === 'look') return look(rest)
    if (action === 'remove') return remove(rest)
    throw new UsageError('discovery needs one of list, show, look and remove.')
  },
}

const FIELDS = {
  ...{ ID: 'id', STATUS: 'status', ADDED: 'added', SKIPPED: 'skipped', GONE: 'gone', FAILED: 'failed' },
  URL: 'url',
}
const JSON_OPTION = { json: { type: 'boolean', default: false } } as const

async function list(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: JSON_OPTION })
  const rows = await withManagementApi(readConfig(), (api) => api.list('/api/discoveries?limit=1000'))
  print(values.json, rows, () => tableOf(rows, FIELDS))
  return EXIT.done
}

async function show(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: JSON_OPTION })
  const id = only(positionals, 'discovery show needs one id.')
  return withManagementApi(readConfig(), async (api) => {
    const view = (await api.call('GET', discoveryPath(id))) as DiscoveryView
    const repositories = await foundBy(api, id)
    if (!values.json) for (const row of repositories) console.log(foundLine(row))
    return reportDiscovery(view, values.json, { ...view, repositories })
  })
}

async function look(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { 'accept-removals': { type: 'boolean', default: false }, ...JSON_OPTION },
  })
  const id = only(positionals, 'discovery look needs one id.')
  const query = values['accept-removals'] ? '?accept_removals=true' : ''
  return withManagementApi(readConfig(), async (api) => {
    const before = await foundBy(api, id)
    const asked = (await api.call('POST', `${discoveryPath(id)}/look${query}`)) as DiscoveryView
    const { view, found } = await waitForLook(api, asked, before, (row) => {
      if (!values.json) console.log(foundLine(row))
    })
    return reportDiscovery(view, values.json, { ...view, repositories: found })
  })
}

async function remove(args: string[]): Promise<number> {
  const id = only(args, 'discovery remove needs one id.')
  await withManagementApi(readConfig(), (api) => api.call('DELETE', discoveryPath(id)))
  console.log(`Removed ${id}; its repositories stay.`)
  return EXIT.done
}
