import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { type Command, EXIT, UsageError } from './command.ts'
import { withManagementApi } from './management-client.ts'

/** `audit export`. */
export const audit: Command = {
  summary: 'export the record of all changes, or verify it',
  help: `Usage: package-broker audit export [--json]
       package-broker audit verify [--head ID:HASH] [--json]

export  writes every change through the API or the command line as one line of JSON each, oldest first.
verify  follows the hashes of the entries: none was changed, removed or put between. The newest ones could be missing all
        the same: --head names an entry that was noted elsewhere, as the log of the server does every day.`,
  async run(args) {
    const [action, ...rest] = args
    if (action === 'verify') return verify(rest)
    if (action !== 'export') throw new UsageError('audit needs export or verify.')
    // The lines are JSON in any case; the option is taken because every command that prints has it.
    parseArgs({ args: rest, options: { json: { type: 'boolean', default: false } } })
    await withManagementApi(readConfig(), async (api) => {
      for await (const page of api.pages('/api/audit?order=oldest&limit=1000')) {
        for (const entry of page) console.log(JSON.stringify(entry))
      }
    })
    return EXIT.done
  },
}

async function verify(args: string[]): Promise<number> {
  const options = { head: { type: 'string' }, json: { type: 'boolean', default: false } } as const
  const { values } = parseArgs({ args, options })
  const [entry, hash] = values.head?.split(':') ?? []
  if (values.head !== undefined && !hash) throw new UsageError('--head needs ID:HASH, as in aud_1042:3f5a….')
  const query = values.head === undefined ? '' : `?${new URLSearchParams({ entry: entry ?? '', hash: hash ?? '' })}`
  return withManagementApi(readConfig(), async (api) => {
    const found = (await api.call('GET', `/api/audit/verification${query}`)) as Verification
    if (values.json) console.log(JSON.stringify(found))
    else console.log(found.broken === null ? whole(found) : `${found.broken.id}: ${found.broken.reason}`)
    return found.ok ? EXIT.done : EXIT.failed
  })
}

function whole({ entries, head }: Verification): string {
  return head === null ? 'No entries yet.' : `${entries} entries, none changed. Head: ${head.id}:${head.hash}`
}

interface Verification {
  readonly ok: boolean
  readonly entries: number
  readonly head: { readonly id: string; readonly hash: string } | null
  readonly broken: { readonly id: string; readonly reason: string } | null
}
