import { FailedLogins } from '../auth/failed-logins.ts'
import type { Foundation } from '../foundation.ts'
import { HostWebhooks } from '../http/management-api/host-webhooks.ts'
import { WritePace } from '../sources/hosts/write-pace.ts'
import type { HostBudgets } from '../sync/host-budgets.ts'
import { hostOpener } from '../sync/repository-host.ts'

/** What takes webhooks, and what has hosts send them. */
export function webhookParts(base: Foundation & { readonly budgets: HostBudgets }) {
  const { now, logger } = base
  return {
    webhookFailures: new FailedLogins(now),
    hostWebhooks: new HostWebhooks({ openHost: hostOpener(base), pace: new WritePace(), logger }),
  }
}
