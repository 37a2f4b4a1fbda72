import type { Budget } from '../sources/hosts/budget.ts'
import type { JobHold } from '../store/job-holds.ts'
import type { JobPlace } from './job-place.ts'
import { PRIORITY } from './priority.ts'

/** Below this part of its limit, a host's answers are kept for what is urgent. */
const SCARCE = 0.1
/** Jobs that may use the last of a limit. */
const URGENT = PRIORITY.probe
/** Jobs begin within so many seconds after a limit has started again, not all at once. */
const SPREAD = 60
/** How long a host is left alone that limits without saying for how long, in seconds. */
const UNSAID = 60
/** Nothing waits longer than a day because a header says so. */
const LONGEST = 86_400

/** What a host said is left of a rate limit. */
export interface RequestsLeft extends JobPlace {
  readonly requests: number
}

/** Places whose limits are told of at most; those heard of longest ago are forgotten. */
const MOST_TOLD = 500

interface State {
  readonly place: JobPlace
  /** Until when nothing may be asked because the host said so, Unix seconds. */
  blockedUntil: number
  /** Until when only what is urgent may be asked, Unix seconds. */
  scarceUntil: number
}

/**
 * What hosts said of their rate limits, for each credential: whoever gets an answer notes it here, and jobs wait by it.
 * It is kept in memory, so each process learns it for itself; jobs that were put off stay so in the database.
 */
export class HostBudgets {
  private readonly states = new Map<string, State>()
  private readonly told = new Map<string, RequestsLeft>()

  /** `now` gives Unix seconds. */
  constructor(private readonly now: () => number) {}

  /** Notes what an answer said; null says nothing. */
  note(place: JobPlace, budget: Budget | null): void {
    if (budget === null || place.host === '') return
    const { remaining, limit, resetAt, retryAfter } = budget
    const until = resetAt ?? 0
    const state = this.stateOf(place)
    if (retryAfter !== null && retryAfter > 0) state.blockedUntil = this.bounded(this.now() + retryAfter)
    else if (remaining === 0) state.blockedUntil = this.bounded(until)
    // Other answers that were under way at the time do not take back a refusal, they only say how much is left.
    if (remaining !== null) {
      this.tell({ ...place, requests: remaining })
      const scarce = limit !== null && remaining < limit * SCARCE
      state.scarceUntil = scarce ? this.bounded(until) : 0
    }
    this.keep(state)
  }

  /** Notes a refusal; `seconds` is how long the host wants to be left alone, null when it did not say. */
  refused(place: JobPlace, seconds: number | null): void {
    if (place.host === '' || this.blockedUntil(place) !== null) return
    const state = this.stateOf(place)
    state.blockedUntil = this.bounded(this.now() + (seconds ?? UNSAID))
    this.keep(state)
  }

  /** Until when a host must not be asked with this credential, Unix seconds; null when it may be. */
  blockedUntil(place: JobPlace): number | null {
    const until = this.states.get(keyOf(place))?.blockedUntil ?? 0
    return until > this.now() ? until : null
  }

  /** Jobs that wait for a limit to start again. */
  holds(): JobHold[] {
    const now = this.now()
    return [...this.states.values()].flatMap((state): JobHold[] => {
      this.keep(state)
      const { place, blockedUntil, scarceUntil } = state
      const shared = { ...place, spread: SPREAD, code: 'rate_limited' }
      if (blockedUntil > now) {
        const message = `${place.host} asks to be left alone for a while; this repository waits until it may be asked again.`
        return [{ ...shared, below: null, until: blockedUntil, message }]
      }
      if (scarceUntil <= now) return []
      const message = `Most of the rate limit of ${place.host} is used up; what is left is kept for what is urgent.`
      return [{ ...shared, below: URGENT, until: scarceUntil, message }]
    })
  }

  /** What each host last said is left. */
  left(): RequestsLeft[] {
    return [...this.told.values()]
  }

  private tell(left: RequestsLeft): void {
    this.told.delete(keyOf(left))
    this.told.set(keyOf(left), left)
    const [oldest] = this.told.keys()
    if (this.told.size > MOST_TOLD && oldest !== undefined) this.told.delete(oldest)
  }

  private stateOf(place: JobPlace): State {
    return this.states.get(keyOf(place)) ?? { place, blockedUntil: 0, scarceUntil: 0 }
  }

  /** Remembers only what something has to wait for. */
  private keep(state: State): void {
    const key = keyOf(state.place)
    if (Math.max(state.blockedUntil, state.scarceUntil) > this.now()) this.states.set(key, state)
    else this.states.delete(key)
  }

  private bounded(time: number): number {
    return Math.min(time, this.now() + LONGEST)
  }
}

function keyOf({ host, credential }: JobPlace): string {
  return `${host} ${credential}`
}
