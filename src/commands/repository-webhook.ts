import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { EXIT, print, UsageError } from './command.ts'
import { withManagementApi } from './management-client.ts'
import { only, pathOf } from './repository-arguments.ts'

/** A webhook as the management API answers with it. */
interface WebhookView {
  readonly webhook_url: string
  readonly webhook_secret: string | null
  readonly message: string
}

/** `repository webhook add|remove`. */
export async function webhook(args: readonly string[]): Promise<number> {
  const [action, ...rest] = args
  if (action === 'add') return add(rest)
  if (action === 'remove') return remove(rest)
  throw new UsageError('repository webhook needs add or remove, and the id of a repository.')
}

async function add(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { 'by-hand': { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
  })
  const id = only(positionals, 'repository webhook add needs one id.')
  const body = { register: !values['by-hand'] }
  const view = (await withManagementApi(readConfig(), (api) =>
    api.call('POST', `${pathOf(id)}/webhook`, body),
  )) as WebhookView
  print(values.json, view, () => [
    `url     ${view.webhook_url}`,
    ...(view.webhook_secret === null ? [] : [`secret  ${view.webhook_secret}`]),
    view.message,
  ])
  return EXIT.done
}

async function remove(args: string[]): Promise<number> {
  const id = only(args, 'repository webhook remove needs one id.')
  const view = await withManagementApi(readConfig(), (api) => api.call('DELETE', `${pathOf(id)}/webhook`))
  console.log((view as { message: string }).message)
  return EXIT.done
}
