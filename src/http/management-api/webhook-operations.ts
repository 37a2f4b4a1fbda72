import { t } from 'elysia'
import { idOf, orNull, shape, words } from '../openapi/fields.ts'
import { operation } from '../openapi/operation.ts'

const id = {
  id: { description: 'Id of the repository.', schema: t.String(), example: 'repo_4XfJ2mQv7RtYhKpL9wZ' },
}

const common = { tag: 'Webhooks', access: 'unrestricted token' } as const

const Webhook = shape('Webhook', {
  id: idOf('repo', 'names the repository'),
  webhook_url: t.String({ description: 'where the host sends its notices' }),
  webhook_secret: orNull(
    t.String({ description: 'what it signs them with, when it was just made and has to be pasted' }),
  ),
  webhook_registered: t.Boolean({ description: 'whether the host was told' }),
  message: t.String({ description: 'what is left to be done' }),
})

const EXAMPLE = {
  id: 'repo_4XfJ2mQv7RtYhKpL9wZ',
  webhook_url: 'https://packages.example.com/webhooks/repo_4XfJ2mQv7RtYhKpL9wZ',
}

/** The operations of webhooks that need a token. */
export const WEBHOOK_OPERATIONS = {
  add: operation({
    ...common,
    id: 'addWebhook',
    summary: 'Have the host of a repository notify this server',
    description: `Makes a secret unless there is one, and registers the webhook at the host with the credential of the repository. For
plain git, and with \`"register": false\`, address and secret are answered, to be pasted at the host by hand. The address
is below BASE_URL, or what the request was sent to. One host is written to once a second.`,
    pathParameters: id,
    bodyExamples: { byHand: { register: false } },
    answers: {
      201: {
        description: 'The webhook.',
        schema: Webhook,
        examples: {
          registered: {
            ...EXAMPLE,
            webhook_secret: null,
            webhook_registered: true,
            message: 'The host sends its notices here from now on.',
          },
          byHand: {
            ...EXAMPLE,
            webhook_secret: 'b8Zt0mQv7RtYhKpL9wZ4XfJ2mQv7RtYhKpL9wZ4XfJ2',
            webhook_registered: false,
            message:
              'Add the webhook at the host by hand, with this address and this secret, which is not shown again.',
          },
        },
      },
    },
    errors: {
      not_found: 'There is no repository repo_4XfJ2mQv7RtYhKpL9wZ.',
      conflict:
        'The token is too weak to add a webhook to acme/lib (“Webhooks: write”, or the scope “admin:repo_hook”). Give the credential that permission, or ask for a secret with {"register": false} and add the webhook by hand.',
      too_large: 'The body is larger than 1048576 bytes.',
      upstream: 'api.github.com answered with status 502.',
    },
  }),
  remove: operation({
    ...common,
    id: 'removeWebhook',
    summary: 'Take no more notices for a repository',
    description: 'The secret is forgotten; a webhook that was registered is removed at the host, if that allows it.',
    pathParameters: id,
    answers: {
      200: {
        description: 'No more are taken.',
        schema: shape('RemovedWebhook', {
          message: t.String(),
          removed_at_host: t.Boolean({ description: 'whether the host has removed it' }),
        }),
        examples: { removed: { message: 'The webhook is removed, here and at its host.', removed_at_host: true } },
      },
    },
    errors: {
      not_found: 'There is no repository repo_4XfJ2mQv7RtYhKpL9wZ.',
      conflict: 'Repository repo_4XfJ2mQv7RtYhKpL9wZ was changed by somebody else at the same time; try again.',
    },
  }),
  update: operation({
    ...common,
    id: 'updatePackage',
    summary: 'Read the repositories at an address again, as Packagist is told to',
    description: `Takes the body that clients of Packagist send, and the push payloads of GitHub, GitLab and Bitbucket. Addresses are
compared by host and path. A token in the query is not accepted, since addresses end up in logs.`,
    bodyExamples: {
      packagist: { repository: { url: 'https://github.com/acme/lib' } },
      short: { repository: 'https://github.com/acme/lib' },
      gitlab: { project: { git_http_url: 'https://gitlab.com/acme/lib.git' } },
      bitbucket: { repository: { links: { html: { href: 'https://bitbucket.org/acme/lib' } } } },
    },
    answers: {
      202: {
        description: 'The syncs that are queued.',
        schema: shape('PackageUpdate', {
          status: words(['success']),
          jobs: t.Array(idOf('job', 'names a job'), { minItems: 1 }),
          type: words(['manual']),
        }),
        examples: { queued: { status: 'success', jobs: ['job_8sK2mQv7RtYhKpL9wZa'], type: 'manual' } },
      },
    },
    errors: {
      not_found: 'No repository here has this address.',
      too_large: 'The body is larger than 1048576 bytes.',
    },
  }),
}
