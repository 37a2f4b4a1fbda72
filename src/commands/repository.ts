import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { type Command, EXIT, UsageError } from './command.ts'
import { withManagementApi } from './management-client.ts'
import { credential, only, pathOf, report } from './repository-arguments.ts'
import { SETTING_OPTIONS, settings } from './repository-options.ts'
import { set } from './repository-set.ts'
import { list, show } from './repository-show.ts'
import { webhook } from './repository-webhook.ts'
import { type RepositoryView, waitForSync } from './sync-progress.ts'

/** `repository add|list|show|set|sync|webhook|remove`. */
export const repository: Command = {
  summary: 'add, list, show, change, sync and remove repositories',
  help: `Usage: package-broker repository add URL [--type git|github|gitlab|bitbucket|gitea|composer|artifact]
                                     [--credential-type TYPE --credential-file FILE] [SETTINGS] [--no-wait] [--json]
       package-broker repository list [--json]
       package-broker repository show ID [--json]
       package-broker repository set ID [--url URL] [--credential-type TYPE --credential-file FILE] [--forget-host-key]
                                     [SETTINGS] [--no-wait] [--json]
       package-broker repository sync ID [--accept-removals] [--follow] [--json]
       package-broker repository webhook add ID [--by-hand] [--json]
       package-broker repository webhook remove ID
       package-broker repository remove ID

Settings: [--archives lazy|tags|all] [--package-filter GLOBS] [--composer-json-paths GLOBS] [--sync-interval SECONDS]
          [--expose-source true|false]
          and of type composer, another Composer repository that packages are taken from when they are asked for:
          [--package-deny GLOBS] [--priority NUMBER] [--fresh-for SECONDS] [--stale-if-error SECONDS]
          [--minimum-release-age SECONDS] [--release-age-exceptions GLOBS] [--release-age-passes-fixes true|false]

add   adds a repository and waits for its first sync. The credential is read from FILE, or from standard input for “-”.
      Its type is token, http_basic (user:password), ssh_key (the private key) or github_app (JSON with app_id,
      installation_id and private_key); for type composer http_basic, bearer or custom_header (“Name: value”). Of type
      artifact, which takes uploads, the URL may be left out.
      --composer-json-paths 'packages/*' makes each directory with a composer.json there a package of its own.
show  prints what is wrong with a repository, its tags and branches that are no versions, and when it is read again.
set   changes what is named; “default” as interval and empty globs take these back. It waits for the sync that another
      address, credential, filter or --composer-json-paths needs. A negative priority is written --priority=-1.
sync  reads it again now. --accept-removals confirms that most of its tags and branches are meant to be gone; --follow
      writes each step to standard error, also where that is no terminal.
webhook add  has the host of the repository notify this server of pushes, at BASE_URL, with the credential of the
      repository; --by-hand and for plain git prints address and secret to be pasted there.`,
  async run(args) {
    const [action, ...rest] = args
    if (action === 'add') return add(rest)
    if (action === 'list') return list(rest)
    if (action === 'show') return show(rest)
    if (action === 'set') return set(rest)
    if (action === 'sync') return sync(rest)
    if (action === 'webhook') return webhook(rest)
    if (action === 'remove') return remove(rest)
    throw new UsageError('repository needs one of add, list, show, set, sync, webhook and remove.')
  },
}

async function add(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      type: { type: 'string', default: 'git' },
      ...SETTING_OPTIONS,
      'credential-type': { type: 'string' },
      'credential-file': { type: 'string' },
      'no-wait': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const body = {
    ...(values.type === 'artifact' && positionals.length === 0
      ? {}
      : { url: only(positionals, 'repository add needs one URL.') }),
    vcs_type: values.type,
    ...settings(values),
    ...credential(values['credential-type'], values['credential-file']),
  }
  return withManagementApi(readConfig(), async (api) => {
    const created = (await api.call('POST', '/api/repositories', body)) as RepositoryView
    return values['no-wait'] ? report(created, values.json) : report(await waitForSync(api, created.id), values.json)
  })
}

async function sync(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      'accept-removals': { type: 'boolean', default: false },
      follow: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  })
  const id = only(positionals, 'repository sync needs one id.')
  return withManagementApi(readConfig(), async (api) => {
    const query = values['accept-removals'] ? '?accept_removals=true' : ''
    await api.call('POST', `${pathOf(id)}/sync${query}`)
    return report(await waitForSync(api, id, values.follow), values.json)
  })
}

async function remove(args: string[]): Promise<number> {
  const id = only(args, 'repository remove needs one id.')
  await withManagementApi(readConfig(), (api) => api.call('DELETE', pathOf(id)))
  console.log(`Removed ${id} with its packages.`)
  return EXIT.done
}
