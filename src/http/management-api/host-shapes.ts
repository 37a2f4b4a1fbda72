import { t } from 'elysia'
import { orNull, part, time, words } from '../openapi/fields.ts'

/** What the host of a repository said last. */
export const Host = part({
  id: t.String({ description: 'what the host names it by, also after it is renamed' }),
  path: t.String({ description: 'owner and name' }),
  visibility: words(['public', 'internal', 'private']),
  archived: t.Boolean({ description: 'whether it is; its packages are abandoned then unless they say otherwise' }),
  default_branch: orNull(t.String()),
  web_url: t.String({ description: 'its page' }),
  checked_at: time('when the host said so'),
})

/** Why it gave no answer since. */
export const HostError = part({
  code: t.String(),
  message: t.String(),
  at: time('when the host was asked'),
})

/** A repository as its host knows it. */
export const HOST_EXAMPLE = {
  id: '1296269',
  path: 'acme/lib',
  visibility: 'private',
  archived: false,
  default_branch: 'main',
  web_url: 'https://github.com/acme/lib',
  checked_at: 1_767_182_400,
}
