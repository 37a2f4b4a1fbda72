import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { EXIT, print, tableOf } from './command.ts'
import { withManagementApi } from './management-client.ts'
import { only, pathOf, report, timeOf } from './repository-arguments.ts'
import type { RepositoryView } from './sync-progress.ts'

/** `repository list`: a row for each, and below it what is wrong with it. */
export async function list(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean', default: false } } })
  const rows = await withManagementApi(readConfig(), (api) => api.list('/api/repositories?limit=1000'))
  print(values.json, rows, () => tableOf(rows, FIELDS))
  return EXIT.done
}

const FIELDS = { ID: 'id', STATUS: 'status', PACKAGES: 'packages', VERSIONS: 'versions', URL: 'url' }

/** `repository show`: how one stands, what is wrong with it, and when it was and will be read. */
export async function show(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false } },
  })
  const id = only(positionals, 'repository show needs one id.')
  const view = (await withManagementApi(readConfig(), (api) => api.call('GET', pathOf(id)))) as RepositoryView
  report(view, values.json)
  if (!values.json) for (const line of timeLines(view)) console.log(line)
  return EXIT.done
}

function timeLines(view: RepositoryView): string[] {
  const { last_synced_at: last, next_sync_at: next, webhook_url: webhook, last_webhook_at: heard } = view
  const notified = heard === null ? 'nothing has come yet' : `last heard of at ${timeOf(heard)}`
  return [
    `  read     ${last === null ? 'never' : timeOf(last)}`,
    ...(next === null ? [] : [`  next     ${timeOf(next)}`]),
    ...(webhook === null ? [] : [`  webhook  ${webhook}, ${notified}`]),
  ]
}
