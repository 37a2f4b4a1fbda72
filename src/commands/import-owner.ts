import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { withoutControls } from '../printable.ts'
import { EXIT, UsageError } from './command.ts'
import {
  type DiscoveryView,
  discoveryPath,
  type FoundView,
  foundBy,
  foundLine,
  reportDiscovery,
  waitForLook,
} from './discovery-progress.ts'
import { type ManagementClient, withManagementApi } from './management-client.ts'
import { credential, only } from './repository-arguments.ts'
import { SETTING_OPTIONS, settings } from './repository-options.ts'
import { waitForSync } from './sync-progress.ts'

const HOSTS: Readonly<Record<string, string | null>> = {
  github: 'https://github.com',
  gitlab: 'https://gitlab.com',
  bitbucket: 'https://bitbucket.org',
  gitea: null,
}

const OWNER = /^(github|gitlab|bitbucket|gitea):(.+)$/

const OPTIONS = {
  url: { type: 'string' },
  'token-file': { type: 'string' },
  'credential-type': { type: 'string' },
  'credential-file': { type: 'string' },
  include: { type: 'string' },
  exclude: { type: 'string' },
  archived: { type: 'boolean' },
  forks: { type: 'boolean' },
  archives: SETTING_OPTIONS.archives,
  'package-filter': SETTING_OPTIONS['package-filter'],
  'composer-json-paths': SETTING_OPTIONS['composer-json-paths'],
  'sync-interval': SETTING_OPTIONS['sync-interval'],
  'expose-source': SETTING_OPTIONS['expose-source'],
  once: { type: 'boolean', default: false },
  'no-wait': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

type Values = ReturnType<typeof parsed>['values']

/** True for arguments of `import` that name an owner at a host, and no export. */
export function namesOwner(args: readonly string[]): boolean {
  return args.some((arg) => OWNER.test(arg))
}

/** `import github:acme`: adds every repository of an owner, and tells what became of each. */
export async function importOwner(args: readonly string[]): Promise<number> {
  const { values, positionals } = parsed(args)
  const place = addressOf(only(positionals, 'import needs one owner, such as github:acme.'), values.url)
  const body = bodyOf(values)
  return withManagementApi(readConfig(), async (api) => {
    const { asked, before } = await askForLook(api, place, body)
    const say = (line: string) => {
      if (!values.json) console.log(line)
    }
    const { view, found } = await waitForLook(api, asked, before, (row) => say(foundLine(row)))
    const known = new Set(before.map((row) => row.host_id))
    const added = found.filter((row) => row.state === 'added' && !known.has(row.host_id))
    const failures = values['no-wait'] ? 0 : await waitForSyncs(api, added, say)
    if (values.once) await api.call('DELETE', discoveryPath(view.id))
    const code = reportDiscovery(view, values.json, { ...view, repositories: found })
    if (values.once) say('The owner is not looked at any more; the repositories stay.')
    return failures > 0 ? EXIT.failed : code
  })
}

function parsed(args: readonly string[]) {
  return parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS })
}

/** `gitlab:group/sub` → its address, at the host's own server or at the one given. Throws UsageError. */
function addressOf(owner: string, server: string | undefined): { url: string; vcs_type: string } {
  const [, type = '', name = ''] = OWNER.exec(owner) ?? []
  const base = server ?? HOSTS[type] ?? null
  if (base === null) throw new UsageError('import gitea:OWNER needs --url with the address of the server.')
  return { url: `${base.replace(/\/{1,16}$/, '')}/${name.replace(/^\/|\/$/g, '')}`, vcs_type: type }
}

function bodyOf(values: Values): Record<string, unknown> {
  const { include, exclude, archived, forks, 'token-file': tokenFile } = values
  const isToken = tokenFile !== undefined
  if (isToken && (values['credential-type'] ?? values['credential-file']) !== undefined) {
    throw new UsageError('--token-file stands for --credential-type token and its file.')
  }
  return {
    ...(include === undefined ? {} : { include: include === '' ? null : include }),
    ...(exclude === undefined ? {} : { exclude: exclude === '' ? null : exclude }),
    ...(archived === undefined ? {} : { include_archived: archived }),
    ...(forks === undefined ? {} : { include_forks: forks }),
    ...settings(values),
    ...(isToken ? credential('token', tokenFile) : credential(values['credential-type'], values['credential-file'])),
  }
}

/** Adds the discovery, or changes the one of this owner and has it looked at again. */
async function askForLook(
  api: ManagementClient,
  place: { url: string; vcs_type: string },
  body: Record<string, unknown>,
): Promise<{ asked: DiscoveryView; before: FoundView[] }> {
  const same = (row: Record<string, unknown>) =>
    row.vcs_type === place.vcs_type && String(row.url).toLowerCase() === place.url.toLowerCase()
  const existing = (await api.list('/api/discoveries?limit=1000')).find(same) as DiscoveryView | undefined
  if (existing === undefined) {
    const asked = (await api.call('POST', '/api/discoveries', { ...place, ...body })) as DiscoveryView
    return { asked, before: [] }
  }
  const before = await foundBy(api, existing.id)
  if (Object.keys(body).length > 0) await api.call('PATCH', discoveryPath(existing.id), body)
  const asked = (await api.call('POST', `${discoveryPath(existing.id)}/look`)) as DiscoveryView
  return { asked, before }
}

/** Waits for the first sync of each, and says how it ended. Returns how many failed. */
async function waitForSyncs(
  api: ManagementClient,
  added: readonly FoundView[],
  say: (line: string) => void,
): Promise<number> {
  let failures = 0
  for (const { repository_id: id, path } of added) {
    if (id === null) continue
    const { packages, error_code: code, error_message: error } = await waitForSync(api, id)
    // Of the repositories of an owner, many are applications without a name; those were read as well as any.
    const failed = error !== null && code !== 'no_packages'
    if (failed) failures += 1
    say(withoutControls(`${failed ? 'failed ' : 'synced '}  ${path}: ${error ?? `${packages} packages`}`))
  }
  return failures
}
