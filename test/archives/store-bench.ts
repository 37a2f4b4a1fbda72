import type { ArchiveEvent, ArchiveKey } from '../../src/archives/archive-index.ts'
import { ArchiveStore, type ArchiveStoreOptions } from '../../src/archives/archive-store.ts'
import { isAppError } from '../../src/errors.ts'
import type { Snapshot } from '../../src/git/snapshot.ts'
import { eventLog, file, MemoryIndex, scratch, snapshot } from './support.ts'

/** Stores in directories of their own; `stop` after each test, `clean` after the last. */
export function storeBench() {
  const directories = scratch()
  const stores: ArchiveStore[] = []
  return {
    directories,
    async open(options: Partial<ArchiveStoreOptions> = {}) {
      const directory = options.directory ?? directories.make()
      const index = options.index ?? new MemoryIndex()
      const { events, onEvent } = eventLog()
      const store = await ArchiveStore.open({ maxBytes: 0, onEvent, ...options, directory, index })
      stores.push(store)
      return { directory, index: index as MemoryIndex, events, store }
    },
    async stop() {
      for (const store of stores.splice(0)) await store.stop()
    },
    clean: () => directories.clean(),
  }
}

export const keyOf = (reference: string, path = ''): ArchiveKey => ({ repositoryId: 'r1', reference, path })
export const filesOf = (content: string) => snapshot([file('composer.json', '{}'), file('a.php', content)])
export const source = (content: string) => async () => filesOf(content)

/** A source for archives that are on disk. */
export const unwanted = async (): Promise<Snapshot> => {
  throw new Error('The archive was built although it was on disk.')
}

/** The kind of the AppError a promise fails with, null when it does not fail, any other error as it is. */
export async function kindOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
    return null
  } catch (error) {
    return isAppError(error) ? error.kind : error
  }
}

export const typesOf = (events: readonly ArchiveEvent[]) => events.map(({ type }) => type)
