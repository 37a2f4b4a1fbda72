/** How urgent a job is; a higher number runs first. `probe` is for repositories that a look at their owner found changed. */
export const PRIORITY = { requested: 100, webhook: 80, probe: 60, first: 50, sweep: 10 } as const
