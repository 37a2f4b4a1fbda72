import { t } from 'elysia'
import { shape, words } from '../openapi/fields.ts'
import { operation } from '../openapi/operation.ts'

const PUSH_EXAMPLE = {
  ref: 'refs/heads/main',
  repository: { id: 35_129_377, full_name: 'acme/lib' },
}

/** `POST /webhooks/{id}`. */
export const RECEIVE_WEBHOOK = operation({
  id: 'receiveWebhook',
  tag: 'Webhooks',
  access: 'open',
  summary: 'Take a notice of a push from a git host',
  description: `No token: the host signs the body with the webhook secret of the repository, each in its way. GitHub:
\`X-Hub-Signature-256\`; GitLab: \`X-Gitlab-Token\`, or \`webhook-signature\` for a signing token; Bitbucket: \`X-Hub-Signature\`;
Gitea and Forgejo: \`X-Gitea-Signature\`. A repository of vcs_type git is notified as GitHub does it, with \`X-GitHub-Event\`
and \`X-GitHub-Delivery\`. A form with the field \`payload\` is taken too. The repository is read some seconds later; a
delivery that comes again within a day changes nothing.`,
  path: '/webhooks/{id}',
  pathParameters: {
    id: { description: 'Id of the repository.', schema: t.String(), example: 'repo_4XfJ2mQv7RtYhKpL9wZ' },
  },
  body: { description: 'What the host sends, as it was signed.', schema: t.Any(), required: true },
  bodyExamples: { push: PUSH_EXAMPLE },
  answers: {
    202: {
      description: 'It is taken.',
      schema: shape('WebhookOutcome', {
        status: words(
          ['queued', 'repeated', 'ignored'],
          'whether a sync is queued, the delivery came before, or its event means nothing here',
        ),
      }),
      examples: { push: { status: 'queued' }, ping: { status: 'ignored' } },
    },
  },
  errors: {
    unauthorized: 'The signature of the webhook does not fit its body and the secret of this repository.',
    too_large: 'The body is larger than 1048576 bytes; send less at once.',
    rate_limited: 'Too many webhooks with a wrong signature came from this address; check the secret and try again.',
  },
})
