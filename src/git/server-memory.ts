import type { GitCapabilities } from './capabilities.ts'

/** What one server said it can do. */
export interface ServerMemory {
  /** Null when it was not asked lately. */
  recall(): GitCapabilities | null
  remember(capabilities: GitCapabilities): void
  forget(): void
}

/** A server that was not asked before, and is not remembered. */
export const NO_MEMORY: ServerMemory = { recall: () => null, remember: () => {}, forget: () => {} }
