import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { type Command, columns, EXIT, print, UsageError } from './command.ts'
import { withManagementApi } from './management-client.ts'

/** `token create|list|revoke`. */
export const token: Command = {
  summary: 'create, list and revoke access tokens',
  help: `Usage: package-broker token create [--write] [--prefix PREFIX]… [--description TEXT] [--expires-in DAYS]
                                   [--metadata KEY=VALUE]… [--json]
       package-broker token list [--json]
       package-broker token revoke ID

create   prints the new token, once; readonly unless --write is given.
         --prefix acme/  lets it see the packages whose name begins so; without it, all packages.`,
  async run(args) {
    const [action, ...rest] = args
    if (action === 'create') return create(rest)
    if (action === 'list') return list(rest)
    if (action === 'revoke') return revoke(rest)
    throw new UsageError('token needs one of create, list and revoke.')
  },
}

async function create(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      write: { type: 'boolean', default: false },
      prefix: { type: 'string', multiple: true, default: [] },
      description: { type: 'string', default: '' },
      'expires-in': { type: 'string' },
      metadata: { type: 'string', multiple: true, default: [] },
      json: { type: 'boolean', default: false },
    },
  })
  const body = {
    description: values.description,
    permissions: values.write ? 'write' : 'readonly',
    allowed_package_prefixes: values.prefix,
    expires_at: expiry(values['expires-in']),
    metadata: Object.fromEntries(values.metadata.map(keyAndValue)),
  }
  const created = await withManagementApi(readConfig(), (api) => api.call('POST', '/api/tokens', body))
  print(values.json, created, () => [(created as { token: string }).token])
  return EXIT.done
}

async function list(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean', default: false } } })
  const tokens = await withManagementApi(readConfig(), (api) => api.list('/api/tokens?limit=1000'))
  print(values.json, tokens, () =>
    columns([
      ['ID', 'PERMISSIONS', 'PREFIXES', 'EXPIRES', 'LAST USED', 'DESCRIPTION'],
      ...tokens.map((row) => [
        String(row.id),
        String(row.permissions),
        (row.allowed_package_prefixes as string[]).join(',') || '–',
        day(row.expires_at),
        day(row.last_used_at),
        String(row.description),
      ]),
    ]),
  )
  return EXIT.done
}

async function revoke(args: string[]): Promise<number> {
  const [id, ...more] = args
  if (id === undefined || more.length > 0) throw new UsageError('token revoke needs one id.')
  await withManagementApi(readConfig(), (api) => api.call('DELETE', `/api/tokens/${encodeURIComponent(id)}`))
  console.log(`Revoked ${id}.`)
  return EXIT.done
}

function expiry(days: string | undefined): number | null {
  if (days === undefined) return null
  if (!/^\d{1,5}$/.test(days) || Number(days) === 0) throw new UsageError('--expires-in needs a number of days.')
  return Math.floor(Date.now() / 1000) + Number(days) * 86_400
}

function keyAndValue(text: string): [string, string] {
  const equals = text.indexOf('=')
  if (equals < 1) throw new UsageError('--metadata needs KEY=VALUE.')
  return [text.slice(0, equals), text.slice(equals + 1)]
}

function day(seconds: unknown): string {
  return typeof seconds === 'number' ? new Date(seconds * 1000).toISOString().slice(0, 10) : '–'
}
