import type { Caller } from '../../auth/scope.ts'
import { type AuditDraft, type AuditTable, recording } from '../../store/audit.ts'
import type { Alongside } from '../../store/database.ts'
import type { PeerOf } from '../base-url.ts'
import type { RequestFacts } from '../request-facts.ts'

/** A change to be recorded. `before` and `after` are what the API shows, which holds no secret. */
export interface Change {
  /** `repository.create`, `token.rotate`, … */
  readonly action: string
  /** Id of what was changed. */
  readonly subject: string
  readonly before?: object
  readonly after?: object
}

/** Records changes made through the API and, over the same routes, the command line. */
export class AuditTrail {
  /** `now` gives Unix seconds; `addressOf` the client behind a request, null over the local socket. */
  constructor(
    private readonly table: AuditTable,
    private readonly facts: RequestFacts,
    private readonly addressOf: PeerOf,
    private readonly now: () => number,
  ) {}

  /** The entry of a change, to be added in its own transaction: who, what, before and after, in which request, from where. */
  recording(request: Request, caller: Caller, change: Change): Alongside {
    return recording(this.entry(request, caller, change))
  }

  /** Records what was done in more than one transaction. */
  record(request: Request, caller: Caller, change: Change): Promise<void> {
    return this.table.add(this.entry(request, caller, change))
  }

  /** Follows the chain of hashes through all entries; `witness` is the id of one whose hash is asked for. */
  verify(witness: number | undefined): ReturnType<AuditTable['verify']> {
    return this.table.verify(witness)
  }

  /** A page of what was recorded. */
  list(...asked: Parameters<AuditTable['list']>): ReturnType<AuditTable['list']> {
    return this.table.list(...asked)
  }

  private entry(request: Request, caller: Caller, change: Change): AuditDraft {
    return {
      at: this.now(),
      actor: caller.actor,
      action: change.action,
      subject: change.subject,
      before: (change.before as Record<string, unknown>) ?? null,
      after: (change.after as Record<string, unknown>) ?? null,
      requestId: this.facts.idOf(request),
      address: this.addressOf(request),
    }
  }
}
