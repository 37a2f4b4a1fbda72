import { parseArgs } from 'node:util'
import { readConfig } from '../config.ts'
import { type Command, EXIT } from './command.ts'
import { withManagementApi } from './management-client.ts'

/** `rotate-key`. */
export const rotateKey: Command = {
  summary: 'seal stored credentials with a new key',
  help: `Usage: package-broker rotate-key [--json]

Seals every stored credential with a new key, while a server goes on. A key in $DATA_DIR/encryption.key is replaced by
one that is made; keep the old one for as long as you keep backups from before. A configured key is changed by starting the
server with ENCRYPTION_KEY set to a new one (openssl rand -base64 32) and ENCRYPTION_KEY_PREVIOUS to the old one; after
this command ENCRYPTION_KEY_PREVIOUS can go.`,
  async run(args) {
    const { values } = parseArgs({ args, options: { json: { type: 'boolean', default: false } } })
    await withManagementApi(readConfig(), async (api) => {
      const done = (await api.call('POST', '/api/encryption-key/rotation')) as { resealed: number; key: string }
      console.log(values.json ? JSON.stringify(done) : sentence(done))
    })
    return EXIT.done
  },
}

function sentence({ resealed, key }: { resealed: number; key: string }): string {
  const next = key === 'file' ? 'encryption.key holds the new key.' : 'ENCRYPTION_KEY_PREVIOUS can be removed now.'
  return `${resealed} values sealed anew. ${next}`
}
