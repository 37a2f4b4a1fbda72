import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { UsageError } from './command.ts'
import { withManagementApi } from './management-client.ts'
import { credential, only, pathOf, report } from './repository-arguments.ts'
import { type RepositoryView, waitForSync } from './sync-progress.ts'

/** `repository set`: changes what its options name. Resolves to the exit code. Throws UsageError. */
export async function set(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      url: { type: 'string' },
      archives: { type: 'string' },
      'package-filter': { type: 'string' },
      'sync-interval': { type: 'string' },
      'expose-source': { type: 'string' },
      'forget-host-key': { type: 'boolean', default: false },
      'credential-type': { type: 'string' },
      'credential-file': { type: 'string' },
      'no-wait': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const id = only(positionals, 'repository set needs one id.')
  const filter = values['package-filter']
  const patch = {
    ...(values.url === undefined ? {} : { url: values.url }),
    ...(values.archives === undefined ? {} : { archives: values.archives }),
    ...(filter === undefined ? {} : { package_filter: filter === '' ? null : filter }),
    ...(values['sync-interval'] === undefined ? {} : { sync_interval: interval(values['sync-interval']) }),
    ...(values['expose-source'] === undefined ? {} : { expose_source: yesOrNo(values['expose-source']) }),
    ...(values['forget-host-key'] ? { host_key: null } : {}),
    ...credential(values['credential-type'], values['credential-file']),
  }
  if (Object.keys(patch).length === 0) throw new UsageError('repository set needs something to change.')
  return withManagementApi(readConfig(), async (api) => {
    const changed = (await api.call('PATCH', pathOf(id), patch)) as RepositoryView
    return report(values['no-wait'] ? changed : await waitForSync(api, id), values.json)
  })
}

function interval(text: string): number | null {
  if (text === 'default') return null
  if (!/^\d{1,8}$/.test(text)) throw new UsageError('--sync-interval needs a number of seconds, or “default”.')
  return Number(text)
}

function yesOrNo(text: string): boolean {
  if (text !== 'true' && text !== 'false') throw new UsageError('--expose-source needs true or false.')
  return text === 'true'
}
