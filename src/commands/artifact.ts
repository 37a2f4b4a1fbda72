import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { AppError } from '../errors.ts'
import { type Command, EXIT, print, UsageError } from './command.ts'
import { withManagementApi } from './management-client.ts'

/** `artifact push`. */
export const artifact: Command = {
  summary: 'upload versions as zips',
  help: `Usage: package-broker artifact push REPOSITORY_ID FILE [--version VERSION] [--json]

push  uploads a zip to a repository of type artifact. composer.json in it names the package, and the version unless
      --version does. A version can be uploaded once; the same file again changes nothing.`,
  async run(args) {
    const [action, ...rest] = args
    if (action === 'push') return push(rest)
    throw new UsageError('artifact needs push.')
  },
}

async function push(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { version: { type: 'string' }, json: { type: 'boolean', default: false } },
  })
  const [id, path, ...more] = positionals
  if (id === undefined || path === undefined || more.length > 0) {
    throw new UsageError('artifact push needs a repository id and a file.')
  }
  const file = Bun.file(path)
  if (!(await file.exists())) throw new AppError('invalid', `There is no file ${path}.`)
  const query = values.version === undefined ? '' : `?${new URLSearchParams({ version: values.version })}`
  const pushed = await withManagementApi(readConfig(), (api) =>
    api.upload(`/api/repositories/${encodeURIComponent(id)}/artifacts${query}`, file),
  )
  const { name, version, reference, warnings } = pushed as Pushed
  print(values.json, pushed, () => [`${name} ${version}  ${reference}`, ...warnings.map((warning) => `  ${warning}`)])
  return EXIT.done
}

interface Pushed {
  readonly name: string
  readonly version: string
  readonly reference: string
  readonly warnings: readonly string[]
}
