/** What one look at an installation found. */
export interface Finding {
  /** What was looked at, in a word or two. */
  readonly check: string
  readonly state: 'ok' | 'warning' | 'failure'
  /** What there is, in one sentence. */
  readonly found: string
  /** What to do about it; null when there is nothing to do. */
  readonly advice: string | null
}

/** Nothing to do. */
export function ok(check: string, found: string): Finding {
  return { check, state: 'ok', found, advice: null }
}

/** It works, and may not be what was meant, or will not work for ever. */
export function warning(check: string, found: string, advice: string): Finding {
  return { check, state: 'warning', found, advice }
}

/** It does not work. */
export function failure(check: string, found: string, advice: string): Finding {
  return { check, state: 'failure', found, advice }
}
