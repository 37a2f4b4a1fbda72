import type { Logger } from './logger.ts'

/** What the stores of archives tell, as far as it is logged. */
interface StoreEvent {
  readonly type: string
  readonly key?: { readonly repositoryId: string; readonly reference: string }
}

/** Logs an event of a store of archives, under a level that says whether somebody has to look. */
export function logArchiveEvent(logger: Logger, event: StoreEvent): void {
  const { type, key, ...fields } = event
  const flat = key ? { ...fields, repository: key.repositoryId, reference: key.reference } : fields
  if (type === 'built') logger.info('archive built', flat)
  else if (type === 'fetched') logger.info('archive fetched', flat)
  else if (type === 'evicted') logger.debug('archive evicted', flat)
  else if (type === 'failed') logger.warn('archive could not be had', flat)
  else if (type === 'refused') logger.warn('archive refused', flat)
  else logger.error(`archive store: ${type}`, flat)
}
