import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { UsageError } from './command.ts'
import { withManagementApi } from './management-client.ts'
import { credential, only, pathOf, report } from './repository-arguments.ts'
import { SETTING_OPTIONS, settings } from './repository-options.ts'
import { type RepositoryView, waitForSync } from './sync-progress.ts'

/** `repository set`: changes what its options name. Resolves to the exit code. Throws UsageError. */
export async function set(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      url: { type: 'string' },
      ...SETTING_OPTIONS,
      'forget-host-key': { type: 'boolean', default: false },
      'credential-type': { type: 'string' },
      'credential-file': { type: 'string' },
      'no-wait': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const id = only(positionals, 'repository set needs one id.')
  const patch = {
    ...(values.url === undefined ? {} : { url: values.url }),
    ...settings(values),
    ...(values['forget-host-key'] ? { host_key: null } : {}),
    ...credential(values['credential-type'], values['credential-file']),
  }
  if (Object.keys(patch).length === 0) throw new UsageError('repository set needs something to change.')
  return withManagementApi(readConfig(), async (api) => {
    const changed = (await api.call('PATCH', pathOf(id), patch)) as RepositoryView
    return report(values['no-wait'] ? changed : await waitForSync(api, id), values.json)
  })
}
